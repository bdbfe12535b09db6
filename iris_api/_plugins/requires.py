"""Was a plugin written for this Iris? Read from its package's requirements, before anything is imported."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from importlib.metadata import Distribution

__all__ = ["running", "unmet"]

_IRIS: Final = "iris-cluster"


def running() -> str:
    """The version of Iris that this is; empty where it runs without having been installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(_IRIS)
    except PackageNotFoundError:
        return ""


def unmet(distribution: Distribution | None) -> str:
    """What the package asks of Iris, where the version that runs is not that; else an empty string.
    What cannot be read is no reason to refuse: the installer has looked at it."""
    have = running()
    asked = (distribution.requires if distribution is not None else None) or ()
    return next((f"{_IRIS}{one}" for one in _specifiers(asked) if have and not _allows(one, have)), "")


def _specifiers(requirements: Iterable[str]) -> Iterable[str]:
    """``<0.2,>=0.1`` of each requirement of Iris that holds here."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    for line in requirements:
        try:
            found = Requirement(line)
        except InvalidRequirement:
            continue
        if canonicalize_name(found.name) == _IRIS and (found.marker is None or found.marker.evaluate()):
            yield str(found.specifier)


def _allows(specifier: str, have: str) -> bool:
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(specifier).contains(have, prereleases=True)
