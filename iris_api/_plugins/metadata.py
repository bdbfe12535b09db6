"""Which plugins are installed, read from the metadata of distributions: nothing is imported."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

__all__ = ["PluginInfo", "Scan", "scan"]

_GROUP: Final = "iris"


@frozen
class PluginInfo:
    """A plugin by its metadata. `target` is what would be imported; `version` may be unknown."""

    name: str
    package: str
    version: str = ""
    target: str = ""

    @property
    def origin(self) -> str:
        """Package and version, as far as they are known."""
        return f"{self.package} {self.version}".strip()

    @property
    def way_out(self) -> str:
        """What to do about a plugin that is broken."""
        whose = self.package if self.target else "its package"
        return f"install another version of {whose}; iris --debug shows where"

    def __str__(self) -> str:
        return f"{self.name!r} ({self.origin})"


@frozen
class Scan:
    """What metadata tells. `unreadable` has a line for each distribution that cannot be read."""

    plugins: tuple[tuple[PluginInfo, EntryPoint], ...]
    unreadable: tuple[str, ...] = field(default=())


def scan() -> Scan:
    """Read the entry points of every distribution on `sys.path`. Never fails."""
    from importlib.metadata import entry_points

    try:
        return Scan(_sorted(entry_points(group=_GROUP)))
    except Exception:  # one broken distribution spoils the fast way: ask each for itself
        return _scan_each()


def _scan_each() -> Scan:
    from importlib.metadata import distributions

    found: dict[str, list[EntryPoint]] = {}
    unreadable = []
    for distribution in distributions():
        try:
            name = str(distribution.name).lower().replace("_", "-")
            points = [point for point in distribution.entry_points if point.group == _GROUP]
        except Exception as error:
            unreadable.append(f"{_place(distribution)}: {type(error).__name__}: {error}")
            continue
        found.setdefault(name, points)  # as in an import, the first on the path hides the others
    return Scan(_sorted(point for points in found.values() for point in points), tuple(unreadable))


def _sorted(points: Iterable[EntryPoint]) -> tuple[tuple[PluginInfo, EntryPoint], ...]:
    pairs = ((_info(point), point) for point in points)
    return tuple(sorted(pairs, key=lambda pair: (pair[0].name, pair[0].package)))


def _info(point: EntryPoint) -> PluginInfo:
    return PluginInfo(point.name, _told(point.dist, "name"), _told(point.dist, "version"), point.value)


def _told(distribution: Distribution | None, what: str) -> str:
    """A field of the metadata, ``unknown`` where it is absent or cannot be read."""
    try:
        return str(getattr(distribution, what) or "unknown")
    except Exception:  # the metadata is somebody else's, and a listing must not fail on it
        return "unknown"


def _place(distribution: Distribution) -> str:
    try:
        return str(distribution.locate_file(""))
    except Exception:  # as above
        return "a distribution"
