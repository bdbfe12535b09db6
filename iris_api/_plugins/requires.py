"""Was a plugin written for this Iris? Read from its package's requirements, before anything is imported."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from importlib.metadata import Distribution

__all__ = ["accepts", "running", "unmet"]

_IRIS: Final = "iris-cluster"
_REQUIREMENT: Final = re.compile(r"^\s*([A-Za-z0-9._-]+)\s*(?:\[[^\]]*\])?\s*\(?\s*([^();]*?)\s*\)?\s*$")
_CLAUSE: Final = re.compile(r"^(~=|==|!=|<=|>=|<|>)\s*v?(\d+(?:\.\d+)*)(\.\*)?((?:a|b|rc|\.dev|\.post).*)?$")
_STAGES: Final = {".dev": -4, "a": -3, "b": -2, "rc": -1, "": 0, ".post": 1}

_Key = tuple[tuple[int, ...], int, int]


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
    try:
        have = running()
        asked = [_specifier(line) for line in (distribution.requires if distribution else None) or ()]
        return next((f"{_IRIS}{one}" for one in asked if one and have and not accepts(one, have)), "")
    except Exception:  # the metadata is somebody else's
        return ""


def accepts(specifier: str, have: str) -> bool:
    """Does ``>=0.1,<0.2`` allow this version? A clause in no known form allows everything."""
    return all(_allows(clause.strip(), have) for clause in specifier.split(",") if clause.strip())


def _specifier(line: str) -> str:
    """``>=0.1,<0.2`` of a requirement of Iris; empty for any other, and for one with a condition."""
    requirement, _, condition = line.partition(";")
    found = _REQUIREMENT.match(requirement)
    if found is None or condition.strip() or re.sub(r"[-_.]+", "-", found[1]).lower() != _IRIS:
        return ""
    return found[2].replace(" ", "")


def _allows(clause: str, version: str) -> bool:
    found = _CLAUSE.match(clause)
    if found is None:
        return True
    operator, release, wildcard, stage = found.groups()
    wanted, have = _key(release + (stage or "")), _key(version)
    parts = tuple(map(int, release.split(".")))
    if operator == "~=":
        return have >= wanted and _starts(have, parts[:-1])
    if operator in ("==", "!="):
        same = _starts(have, parts) if wildcard else have == wanted
        return same is (operator == "==")
    if operator == "<" and have[0] == wanted[0] and wanted[1] >= 0:
        return False  # a pre-release of the version itself is not meant by "before it"
    return {"<": have < wanted, "<=": have <= wanted, ">": have > wanted, ">=": have >= wanted}[operator]


def _key(text: str) -> _Key:
    """Orders versions: the release without its last zeros, then the stage, then its number."""
    found = re.match(r"^v?(\d+(?:\.\d+)*)(?:(a|b|rc|\.dev|\.post)(\d*))?", text.partition("+")[0])
    if found is None:
        raise ValueError(f"version {text!r} is in no known form")
    release = [int(part) for part in found[1].split(".")]
    while len(release) > 1 and release[-1] == 0:
        release.pop()
    return tuple(release), _STAGES[found[2] or ""], int(found[3] or 0)


def _starts(have: _Key, parts: tuple[int, ...]) -> bool:
    padded = have[0] + (0,) * len(parts)
    return padded[: len(parts)] == parts
