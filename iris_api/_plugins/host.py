"""Plugins: finds plugins by metadata, imports those that are asked for, says exactly what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from iris_api._closest import did_you_mean
from iris_api._plugins.loaded import LoadedPlugin, validate
from iris_api._plugins.metadata import PluginInfo, Scan, scan
from iris_api._plugins.patience import MORE, Hangs, patience, within
from iris_api._plugins.requires import running, unmet
from iris_api.errors import MissingDependency, PluginConflict, PluginError, PluginLoadError, PluginNotFound

__all__ = ["Plugins"]

# First-party plugins that need more than the core, by the extra of `iris-cluster` that brings it.
_EXTRAS: Final = {"docker": "docker", "gcp": "gcp"}


class Plugins:
    """The plugins of this interpreter, as installed when they are first asked for. What `register`
    adds is known to this object only, and goes before an installed plugin of the same name."""

    def __init__(self) -> None:
        self._scan: Scan | None = None
        self._loaded: dict[str, LoadedPlugin] = {}
        self._registered: set[str] = set()

    def installed(self) -> Sequence[PluginInfo]:
        """All plugins that metadata tells of, by name. Imports nothing and never fails."""
        return tuple(info for info, _ in self._found().plugins)

    def unreadable(self) -> Sequence[str]:
        """A line for each distribution whose metadata is broken; its plugins are not known."""
        return self._found().unreadable

    def register(self, plugin: object, *, name: str) -> LoadedPlugin:
        """Offer a module or an object as plugin `name`, without packaging: for tests and notebooks.

        Raises PluginLoadError for what is no valid plugin, PluginConflict for a second one of a name.
        """
        if name in self._registered:
            raise PluginConflict(f"plugin name {name!r} is registered already")
        loaded = _validated(PluginInfo(name, "registered by the program"), plugin)
        self._registered.add(name)
        self._loaded[name] = loaded
        return loaded

    def load(self, kind: str) -> LoadedPlugin:
        """Import and validate the plugin that ``kind = "..."`` names. The same object every time.

        Raises PluginNotFound, PluginConflict or PluginLoadError.
        """
        if kind not in self._loaded:
            self._loaded[kind] = self._load(kind)
        return self._loaded[kind]

    def _load(self, kind: str) -> LoadedPlugin:
        claims = [(info, point) for info, point in self._found().plugins if info.name == kind]
        if not claims:
            raise PluginNotFound(self._not_found(kind))
        if len(claims) > 1:
            owners = " and ".join(info.origin for info, _ in claims)
            raise PluginConflict(f"plugin name {kind!r} is claimed by {owners}; uninstall one")
        info, point = claims[0]
        if needed := unmet(point.dist):
            raise PluginLoadError(_too_new(info, needed))
        seconds = patience()
        try:
            return within(seconds, lambda: _validated(info, point.load()), f"the import of plugin {info}")
        except PluginLoadError:
            raise
        except (Exception, SystemExit) as error:  # a module may also call sys.exit when it is imported
            raise PluginLoadError(_did_not_load(info, error)) from error

    def _found(self) -> Scan:
        if self._scan is None:
            self._scan = scan()
        return self._scan

    def _not_found(self, kind: str) -> str:
        names = sorted({info.name for info in self.installed()} | self._registered)
        listed = f"no plugin {kind!r} is installed (installed: {', '.join(names) or 'none'})"
        if kind in _EXTRAS:
            return f"{listed}; run: pip install 'iris-cluster[{_EXTRAS[kind]}]'"
        return listed + did_you_mean(kind, names)


def _validated(info: PluginInfo, plugin: object) -> LoadedPlugin:
    try:
        return validate(info, plugin)
    except Exception as error:
        raise PluginLoadError(_did_not_load(info, error)) from error


def _too_new(info: PluginInfo, needed: str) -> str:
    return (
        f"plugin {info.name!r} from {info.origin} is made for {needed}, and this is {running()}; "
        f"run: pip install '{needed}', or install a version of {info.package} for this one"
    )


def _did_not_load(info: PluginInfo, error: BaseException) -> str:
    if isinstance(error, Hangs):
        return f"plugin {info.name!r} from {info.origin} did not load: {error}; {MORE}"
    reason = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
    said = f"plugin {info.name!r} from {info.origin} did not load: {' '.join(reason.split())}"
    return said if isinstance(error, MissingDependency) else f"{said}; {info.way_out}"
