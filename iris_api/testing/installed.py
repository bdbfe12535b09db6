"""The plugin under test as an installation has it: found by its name, made with the options of a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
from attrs import define, field

from iris_api.config import Selected, load_config, structure_table
from iris_api.context import Context, WorkerSpec
from iris_api.errors import ConfigError, PluginError
from iris_api.ids import new_uid
from iris_api.platform import Machines, Platform, Runtime
from iris_api.plugins import Kind, Plugins
from iris_api.resolver import Resolver
from iris_api.transport import Transport

__all__ = ["MADE", "IdleWorker", "Installed", "close_platform_of", "installed", "table_given"]

T = TypeVar("T")
MADE: Final = pytest.StashKey[set[str]]()  # the names of the plugins of which `installed` has made an object
_FOUND: Final = pytest.StashKey[list["Installed"]]()  # what `installed` has handed out in a test


class IdleWorker:
    """What the context's `run_worker` starts: it does nothing until it is stopped."""

    def __init__(self, spec: WorkerSpec) -> None:
        self.spec = spec
        self._stopped = False

    def is_alive(self) -> bool:
        return not self._stopped

    def stop(self) -> None:
        self._stopped = True


@define
class Installed:
    """An installed plugin with its options; each call makes an object of it, as Iris does. The arguments are
    fields of its Context; `cluster` is that of an object whose arguments name none, and nobody's own. It can
    be pickled: another process makes the same."""

    name: str
    table: Mapping[str, Any] = field(factory=dict)
    directory: Path | None = None
    cluster: str = field(factory=lambda: f"kit-{new_uid()[:8]}")
    _made: list[Any] = field(factory=list, eq=False, repr=False)
    _parts: list[tuple[object, Platform]] = field(factory=list, eq=False, repr=False)
    _names: set[str] = field(factory=set, eq=False, repr=False)

    def platform(self, **context: Any) -> Platform:
        """The fixture closes it, as it does resolvers."""
        made: Platform = self._make("platform", context)
        return made

    def machines(self, **context: Any) -> Machines:
        """Those of a new platform. Raises PluginError if it has none."""
        platform = self.platform(**context)
        return self._having(platform.machines, "machines", platform)

    def runtime(self, **context: Any) -> Runtime:
        """That of a new platform. Raises PluginError if it has none."""
        platform = self.platform(**context)
        return self._having(platform.runtime, "runtime", platform)

    def transport(self, **context: Any) -> Transport:
        made: Transport = self._make("transport", context)
        return made

    def resolver(self, **context: Any) -> Resolver:
        made: Resolver = self._make("resolver", context)
        return made

    def close_platform_of(self, part: object) -> bool:
        """Close the platform whose machines or runtime this is; False if it is none of these."""
        for given, platform in self._parts:
            if given is part:
                self._made = [one for one in self._made if one is not platform]
                platform.close()
                return True
        return False

    def close(self) -> None:
        """Close what was made, the newest first."""
        while self._made:
            getattr(self._made.pop(), "close", lambda: None)()

    def _make(self, kind: Kind, given: Mapping[str, Any]) -> Any:
        """With a directory of the cluster's own, and workers that do nothing, unless others are given."""
        cluster = given.get("cluster", self.cluster)
        directory = self.directory / cluster if self.directory is not None else None
        context = Context(**{"run_worker": IdleWorker, "directory": directory, "cluster": cluster, **given})
        plugin = Plugins().load(self.name)
        options = structure_table(plugin.provider(kind).config, self.table, "")
        made: Any = Selected(plugin, kind, options).create(context)
        self._made.append(made)
        self._names.add(self.name)
        return made

    def _having(self, part: T | None, what: str, platform: Platform) -> T:
        if part is None:
            raise PluginError(f"the platform {self.name!r} has no {what}")
        self._parts.append((part, platform))
        return part

    def __getstate__(self) -> tuple[Any, ...]:
        return self.name, self.table, self.directory, self.cluster

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.name, self.table, self.directory, self.cluster = state
        self._made, self._parts, self._names = [], [], set()


@pytest.fixture
def installed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Installed]]:
    """``installed(name, **options)``: the plugin of this name, to be made with these options.

    The rest of them come from the table that ``--iris-config`` and ``--iris-table`` name, as ``iris plugin
    check --table`` does: what a rule needs, such as a place that is full, is not the table's. What was made
    is closed at the end of the test.
    """
    whose, given = table_given(request.config)
    handed_out: list[Installed] = request.node.stash.setdefault(_FOUND, [])
    names = request.config.stash.setdefault(MADE, set())

    def find(name: str, **options: Any) -> Installed:
        own = {key: str(value) if isinstance(value, Path) else value for key, value in options.items()}
        table = {**(given if whose == name else {}), **own}
        handed_out.append(Installed(name, table, tmp_path / "directory", names=names))
        return handed_out[-1]

    yield find
    for one in handed_out:
        one.close()


def close_platform_of(part: object, test: pytest.Item) -> bool:
    """Close the platform of which `installed` has made this in a test; False if it has not."""
    return any(one.close_platform_of(part) for one in test.stash.get(_FOUND, []))


def table_given(config: pytest.Config) -> tuple[str, Mapping[str, Any]]:
    """The table of the command line: whose it is, and its options. Raises UsageError."""
    file, path = (
        config.getoption("--iris-config", default=None),
        config.getoption("--iris-table", default=None),
    )
    if not path:
        if file:
            raise pytest.UsageError(
                "--iris-config alone names no table; add --iris-table, such as platforms.mine"
            )
        return "", {}
    try:
        tables = load_config(file).plugin_tables()
    except ConfigError as error:
        raise pytest.UsageError(str(error)) from None
    if path not in tables:
        raise pytest.UsageError(f"--iris-table: there is no table {path}; there are {', '.join(tables)}")
    return tables[path].kind, tables[path].options
