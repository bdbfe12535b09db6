"""From a configuration to the plugins that it selects, each with its own configuration value."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Generic, NoReturn, TypeVar

from attrs import evolve, frozen

from iris_api._closest import did_you_mean
from iris_api._config.check import check
from iris_api._config.parse import Draft, read_draft
from iris_api._config.paths import join
from iris_api._config.structure import structure_table
from iris_api._config.values import Config, PluginTable, PoolConfig
from iris_api._plugins.patience import MORE, Hangs, patience, within
from iris_api.context import Context
from iris_api.errors import ConfigError, PluginError, PluginNotFound
from iris_api.platform import Machines, Platform, Runtime
from iris_api.plugins import Kind, LoadedPlugin, Plugins, made_by
from iris_api.resolver import Resolver
from iris_api.transport import Transport

__all__ = ["Selected", "Selection", "load_selection", "select"]

T = TypeVar("T")
_log = logging.getLogger("iris.plugins")
_CONTRACTS: Final[Mapping[Kind, type]] = {
    "platform": Platform,
    "transport": Transport,
    "resolver": Resolver,
}


@frozen
class Selected(Generic[T]):
    """A plugin that the configuration selects. `options` is an instance of its own attrs class."""

    plugin: LoadedPlugin
    kind: Kind
    options: Any

    def create(self, context: Context) -> T:
        """Have the plugin make its object. Its errors come out as they are, with a note of its name;
        MissingDependency says what to install. Raises PluginError if it does not return in time."""
        made = self._create(context, patience())
        self._check(made)
        made_by(str(self.plugin.info), made)
        return made

    def close(self, made: Platform | Resolver, timeout: float = 10.0) -> None:
        """Close what `create` has made. One that does not return in time is logged, and left behind."""
        try:
            with self.plugin.blamed("close()"):
                within(timeout, made.close, f"close() of plugin {self.plugin.info}")
        except Hangs as error:
            _log.error("plugin %s hangs in close(): %s", self.plugin.info, error)

    def _check(self, made: object) -> None:
        """It is of its kind; a platform's two parts are what their names say, or None."""
        contract = _CONTRACTS[self.kind]
        if not isinstance(made, contract):
            returned = type(made).__name__
            self._refuse(f"create() must return a {contract.__name__}, and returned {returned}")
        parts = {"machines": Machines, "runtime": Runtime} if isinstance(made, Platform) else {}
        for name, what in parts.items():
            part = getattr(made, name)
            if part is not None and not isinstance(part, what):
                self._refuse(f"its {name} must be a {what.__name__} or None, and is {type(part).__name__}")

    def _refuse(self, why: str) -> NoReturn:
        info = self.plugin.info
        raise PluginError(f"plugin {info}: {why}; {info.way_out}")

    def _create(self, context: Context, seconds: float) -> T:
        create: Callable[[Any, Context], T] = self.plugin.provider(self.kind).create
        what = f"create() of plugin {self.plugin.info}"
        try:
            with self.plugin.blamed("create()"):
                return within(seconds, lambda: create(self.options, context), what)
        except Hangs as error:
            raise PluginError(f"plugin {self.plugin.info} hangs in create(): {error}; {MORE}") from None


@frozen
class Selection:
    """All that a configuration selects; `platforms` are those that a pool names, by that name. In `config`
    each pool has the runtime that its platform wants where it names none."""

    config: Config
    platforms: Mapping[str, Selected[Platform]]
    transport: Selected[Transport]
    resolver: Selected[Resolver]


def select(config: Config, plugins: Plugins | None = None) -> Selection:
    """Import the plugins that `config` selects, and no others, and validate their tables.

    Raises ConfigError with everything that is wrong in any of them; its cause is the PluginError, or
    a group of them, where a plugin could not be used. Creates nothing.
    """
    return _select(Draft(config, tuple(check(config))), plugins or Plugins())


def load_selection(
    path: Path | str | None = None, plugins: Plugins | None = None
) -> tuple[Config, Selection]:
    """`load_config` and `select` in one, so that one ConfigError tells what is wrong in the file and
    with the plugins that it selects."""
    draft = read_draft(path)
    selection = _select(draft, plugins or Plugins())
    return selection.config, selection


def _select(draft: Draft, plugins: Plugins) -> Selection:
    config = draft.config
    chooser = _Chooser(plugins, list(draft.problems))
    platforms: dict[str, Selected[Platform] | None] = {}
    _choose_platforms(chooser, draft, config, platforms)
    config = _with_runtimes(config, platforms)
    _choose_platforms(chooser, draft, config, platforms)
    transport = chooser.choose(config.transport, "transport", "transport.kind", "transport")
    resolver = chooser.choose(config.resolver, "resolver", "resolver.kind", "resolver")
    chooser.finish(config.source_text)
    assert transport is not None
    assert resolver is not None
    chosen = {name: found for name, found in platforms.items() if found}
    return Selection(config, chosen, transport, resolver)


def _choose_platforms(
    chooser: _Chooser, draft: Draft, config: Config, chosen: dict[str, Selected[Platform] | None]
) -> None:
    """Those that `config` names, and that have not been chosen before."""
    for name, named_at in config.platform_names().items():
        if name in draft.unusable or name in chosen:
            continue
        if name in config.platforms:
            path = join("platforms", name)
            chosen[name] = chooser.choose(config.platforms[name], path, f"{path}.kind", "platform")
        else:
            hint = did_you_mean(name, config.platforms)
            note = f"; nor is there a table [platforms.{name}]{hint}"
            chosen[name] = chooser.choose(PluginTable(name), named_at, named_at, "platform", note)


def _with_runtimes(config: Config, platforms: Mapping[str, Selected[Platform] | None]) -> Config:
    """With what sandboxes tasks on a platform's machines, where the platform says so and a pool does not."""

    def complete(pool: PoolConfig) -> PoolConfig:
        chosen = platforms.get(pool.platform)
        if pool.runtime is not None or chosen is None:
            return pool
        return evolve(pool, runtime=chosen.plugin.provider("platform").runtime or None)

    return evolve(config, pools={name: complete(pool) for name, pool in config.pools.items()})


class _Chooser:
    """Chooses plugins one by one and keeps what is wrong until the end."""

    def __init__(self, plugins: Plugins, problems: list[str]) -> None:
        self._plugins = plugins
        self._problems = problems
        self._errors: list[PluginError] = []

    def choose(
        self, table: PluginTable, path: str, named_at: str, kind: Kind, not_found: str = ""
    ) -> Selected[Any] | None:
        """`not_found` is what to add to the message when there is no such plugin."""
        try:
            plugin = self._plugins.load(table.kind)
            options = structure_table(plugin.provider(kind).config, table.options, path)
            return Selected(plugin, kind, options)
        except ConfigError as error:
            self._problems += error.problems
        except PluginError as error:
            note = not_found if isinstance(error, PluginNotFound) else ""
            self._problems.append(f"{named_at}: {error}{note}")
            self._errors.append(error)
        return None

    def finish(self, source: str) -> None:
        """Raise ConfigError if anything was wrong."""
        if not self._problems:
            return
        error = ConfigError(self._problems, source=source)
        if len(self._errors) > 1:
            raise error from ExceptionGroup("plugins that cannot be used", self._errors)
        raise error from (self._errors[0] if self._errors else None)
