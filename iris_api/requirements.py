"""What a job may ask to have installed, and how a requirement line is read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from iris_api.errors import InvalidSpec

__all__ = [
    "PYPROJECT",
    "check_extra",
    "check_extras",
    "check_image",
    "check_requirement",
    "check_source",
    "file_of",
    "texts",
]

PYPROJECT: Final = "pyproject"
_IMAGE: Final = re.compile(r"[A-Za-z0-9\[][A-Za-z0-9._/:@\[\]+-]{0,511}")
_EXTRA: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_FILE: Final = re.compile(r"(?P<path>[^@:;#]+\.(?:whl|tar\.gz|zip))(?:\[[A-Za-z0-9._, -]*\])?")
_URL: Final = re.compile(r"https?://[^\s/]+/\S*\.(?:whl|tar\.gz|zip)(?:#\S+)?")
_LINKS: Final = ("https://", "http://", "git+https://", "git+http://", "git+ssh://")
_ALLOWED: Final = (
    "give a requirement such as 'numpy>=2', or a wheel or sdist: its https address, or its path in the "
    "workspace such as './wheels/mine-1.0-py3-none-any.whl'"
)


def texts(values: Iterable[str], what: str) -> tuple[str, ...]:
    """A tuple of texts without blanks around them. Raises InvalidSpec, also for a lone text: its letters
    are not meant."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise InvalidSpec(f"{what} must be a list or tuple of texts, got {type(values).__name__}")
    found = tuple(values)
    for index, value in enumerate(found):
        if not isinstance(value, str):
            raise InvalidSpec(f"{what}[{index}] must be text, got {type(value).__name__}")
    return tuple(value.strip() for value in found)


def check_image(image: str) -> None:
    """Raises InvalidSpec for what cannot be the name of an image. Empty: none is meant."""
    if not isinstance(image, str) or (image and not _IMAGE.fullmatch(image)):
        raise InvalidSpec(f"image {image!r} is not allowed: give its name, such as 'python:3.11-slim'")


def check_source(source: str) -> None:
    """Raises InvalidSpec for a place that requirements cannot be taken from. Empty: none is meant."""
    if source not in ("", PYPROJECT):
        raise InvalidSpec(f"python_packages_from {source!r} is not allowed: give {PYPROJECT!r} or ''")


def check_extra(extra: str) -> None:
    """Raises InvalidSpec for what cannot be the name of an extra."""
    if not _EXTRA.fullmatch(extra):
        raise InvalidSpec(f"extra {extra!r} is not allowed: give the name of one, such as 'test'")


def check_extras(extras: Sequence[str], source: str) -> None:
    """Raises InvalidSpec for extras of nothing."""
    if extras and not source:
        raise InvalidSpec(
            f"extras {list(extras)} are those of a pyproject.toml: give python_packages_from='pyproject' too"
        )


def check_requirement(line: str, what: str) -> None:
    """Raises InvalidSpec for a line that is neither a requirement nor leads to a wheel or sdist. `what`
    names the line."""
    if not line.isprintable():
        raise InvalidSpec(f"{what} {line!r} is not allowed: one line of text is one requirement")
    if _URL.fullmatch(line):
        return
    if (path := file_of(line)) is not None:
        _check_path(path, f"{what} {line!r}")
        return
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        link = Requirement(line).url
    except InvalidRequirement as error:
        why = str(error).splitlines()[0]
        raise InvalidSpec(f"{what} {line!r} is not allowed ({why}): {_ALLOWED}") from None
    if link is not None and not link.startswith(_LINKS):
        raise InvalidSpec(f"{what} {line!r} is not allowed: its address must begin with https:// or git+")


def file_of(line: str) -> str | None:
    """The path of the workspace's file that a line asks for, None where it asks for none."""
    found = _FILE.fullmatch(line)
    return found["path"] if found is not None else None


def _check_path(path: str, what: str) -> None:
    if path.startswith(("/", "~", "-")) or "\\" in path or ".." in path.split("/"):
        raise InvalidSpec(f"{what} is not allowed: give a path within the workspace, relative to its root")
