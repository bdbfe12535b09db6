"""A plugin that is imported and valid, and how it becomes one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

import attrs
from attrs import frozen

from iris_api._closest import did_you_mean
from iris_api._plugins.calls import blame
from iris_api._plugins.metadata import PluginInfo
from iris_api.errors import PluginError
from iris_api.platform import Platform
from iris_api.provider import Provider
from iris_api.resolver import Resolver
from iris_api.transport import Transport

__all__ = ["KINDS", "Kind", "LoadedPlugin", "validate"]

Kind = Literal["platform", "transport", "resolver"]
KINDS: Final[tuple[Kind, ...]] = ("platform", "transport", "resolver")
_HOOKS: Final = tuple(f"iris_{kind}" for kind in KINDS)


@frozen
class LoadedPlugin:
    """A plugin and what each of its hooks returned."""

    info: PluginInfo
    platform: Provider[Any, Platform] | None = None
    transport: Provider[Any, Transport] | None = None
    resolver: Provider[Any, Resolver] | None = None

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def package(self) -> str:
        return self.info.package

    @property
    def version(self) -> str:
        return self.info.version

    @property
    def offers(self) -> tuple[Kind, ...]:
        return tuple(kind for kind in KINDS if getattr(self, kind) is not None)

    def provider(self, kind: Kind) -> Provider[Any, Any]:
        """What it offers of this kind. Raises PluginError if that is nothing."""
        found: Provider[Any, Any] | None = getattr(self, kind)
        if found is None:
            offers = " and ".join(self.offers)
            raise PluginError(
                f"plugin {self.info} offers {offers}, not {kind}; iris plugins --check shows which one does"
            )
        return found

    @contextmanager
    def blamed(self, call: str) -> Iterator[None]:
        """Name this plugin in a note on whatever comes out of the block; the exception stays itself."""
        with blame(str(self.info), call):
            yield


def validate(info: PluginInfo, plugin: object) -> LoadedPlugin:
    """Call the hooks of `plugin`. Raises whatever is wrong with it.

    Each plugin gets a manager of its own: so a result is known to be its, and one that is refused
    leaves nothing registered.
    """
    import pluggy

    from iris_api import hookspecs

    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin, name=info.name)
    _refuse_unknown_hooks(manager, plugin)
    loaded = LoadedPlugin(info, *(_call(manager, f"iris_{kind}") for kind in KINDS))
    if not loaded.offers:
        raise PluginError(_why_nothing(plugin))
    return loaded


def _refuse_unknown_hooks(manager: Any, plugin: object) -> None:
    for caller in manager.get_hookcallers(plugin) or ():
        if not caller.has_spec() and not all(impl.optionalhook for impl in caller.get_hookimpls()):
            raise PluginError(f"there is no hook {caller.name!r}{did_you_mean(caller.name, _HOOKS)}")
    manager.check_pending()


def _call(manager: Any, hook: str) -> Provider[Any, Any] | None:
    """The one Provider that the hook returns, None where the plugin does not implement it."""
    caller = getattr(manager.hook, hook)
    if not caller.get_hookimpls():
        return None
    results = caller()  # without those that are None
    if len(results) != 1:
        raise PluginError(f"{hook}() must return one Provider, and returned {len(results) or 'None'}")
    _check_provider(hook, results[0])
    provider: Provider[Any, Any] = results[0]
    return provider


def _check_provider(hook: str, provider: object) -> None:
    if not isinstance(provider, Provider):
        raise PluginError(f"{hook}() must return a Provider, and returned {type(provider).__name__}")
    if not isinstance(provider.config, type) or not attrs.has(provider.config):
        raise PluginError(f"{hook}(): Provider.config must be an attrs class, and is {provider.config!r}")
    if not callable(provider.create):
        raise PluginError(f"{hook}(): Provider.create must be callable, and is {provider.create!r}")
    for field, what in (("conformance", "module"), ("runtime", "plugin")):
        value = getattr(provider, field)
        if not isinstance(value, str):
            raise PluginError(f"{hook}(): Provider.{field} must be the name of a {what}, and is {value!r}")


def _why_nothing(plugin: object) -> str:
    unmarked = [hook for hook in _HOOKS if callable(getattr(plugin, hook, None))]
    if unmarked:
        return f"{unmarked[0]}() is not marked with @hookimpl"
    return f"it has no hook; a plugin has one or more of {', '.join(_HOOKS)}"
