"""Why an installer failed, from what it has printed: the reason, and which requirements it is about. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Final

from attrs import frozen
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

__all__ = ["Fault", "explain"]

_LONGEST: Final = 600  # characters of a reason
_PIP: Final = "ERROR: "
_VAGUE: Final = ("ResolutionImpossible", "Exception:")  # what follows or precedes says more
_PIP_BUILD: Final = re.compile(r"\s*error: [a-z]+(-[a-z]+)+")  # such as metadata-generation-failed
_PIP_AT: Final = re.compile(r"\s*(Collecting|Processing) ")
_ADVICE: Final = "To fix this"
_STREAM: Final = re.compile(r"\s*\[(stderr|stdout)\]")
_END_OF_STREAM: Final = "[end of output]"
_LINE: Final = re.compile(r"-r \S+ \(line (\d+)\)")
_FROM: Final = re.compile(r" \(from -r \S+ \(line \d+\)\)")
_COPIED: Final = re.compile(r"(?:file://)?[^\s'\"`]*/?files/[0-9a-f]+/")
_UV_PART: Final = re.compile(r"^\s*(?:error:|cause:|Caused by:|hint:|×|├─▶|╰─▶|│)\s*")
_UV_GOES_ON: Final = re.compile(r"^\s*│\s*")
_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_OUTSIDE: Final = (
    "No space left on device",
    "Disk quota exceeded",
    "Read-only file system",
    "Permission denied",
    "Connection refused",
    "Connection reset",
    "NewConnectionError",
    "Max retries exceeded",
    "Failed to establish a new connection",
    "name resolution",
    "dns error",
    "Network is unreachable",
    "timed out",
    "Cannot allocate memory",
)


@frozen
class Fault:
    """`lines` are indexes of the requirements that are to blame, empty where that is not known. `outside`: a
    disk, a network or the like has failed, and the requirements may well be fine."""

    reason: str
    lines: tuple[int, ...] = ()
    outside: bool = False


def explain(requirements: Sequence[str], output: Sequence[str]) -> Fault:
    """`requirements` are the lines of the file that pip or uv was given, `output` is all that it printed."""
    told = [line.rstrip() for line in output if line.strip()]
    reason, about = _pip(told) or _pip_build(told) or _uv(told) or _last(told)
    inside = _inside(told)
    return Fault(
        reason=_readable(f"{reason.rstrip('.')}: {inside}" if inside else reason, requirements),
        lines=tuple(_guilty(requirements, about)),
        outside=any(one in about or one in inside for one in _OUTSIDE),
    )


def _pip(told: Sequence[str]) -> tuple[str, str] | None:
    """The last error that says something, and all from the first one on."""
    errors = [index for index, line in enumerate(told) if line.startswith(_PIP)]
    if not errors:
        return None
    about = told[errors[0] :]
    about = about[: next((i for i, line in enumerate(about) if line.startswith(_ADVICE)), len(about))]
    clear = [told[index].removeprefix(_PIP) for index in errors]
    clear = [text for text in clear if not text.startswith(_VAGUE)]
    return (clear or [told[-1].strip()])[-1], "\n".join(about)


def _pip_build(told: Sequence[str]) -> tuple[str, str] | None:
    """What it says when a build fails does not always name the package: what it was at then does."""
    start = next((i for i, line in enumerate(told) if _PIP_BUILD.fullmatch(line)), None)
    if start is None:
        return None
    headline = next((line.strip() for line in told[start:] if line.lstrip().startswith("×")), told[start])
    at = [line for line in told[:start] if _PIP_AT.match(line)][-1:]
    return headline.removeprefix("× "), "\n".join((*at, *told[start:]))


def _inside(told: Sequence[str]) -> str:
    """The last line of a package's own build, where one has failed."""
    end = next((i for i, line in enumerate(told) if line.strip() == _END_OF_STREAM), 0)
    if end:
        return told[end - 1].strip()
    if any(_STREAM.match(line) for line in told):
        return [line.strip() for line in told if not line.lstrip().startswith("hint:")][-1]
    return ""


def _uv(told: Sequence[str]) -> tuple[str, str] | None:
    """Its headline and the innermost cause; where nothing fits together, the first cause explains it all."""
    start = next((i for i, line in enumerate(told) if re.match(r"\s*(error:|×)", line)), None)
    if start is None:
        return None
    parts = [part for part in _parts(told[start:]) if part]
    if parts[0].startswith("No solution found") and len(parts) > 1:
        return parts[1], "\n".join(parts)
    headline = parts[0]
    return (headline if len(parts) == 1 else f"{headline}: {parts[-1]}"), "\n".join(parts)


def _parts(told: Iterable[str]) -> Iterator[str]:
    """The headline and each cause, with the lines in which it goes on."""
    part = ""
    for line in told:
        if _STREAM.match(line):
            break
        text = _UV_PART.sub("", line).strip()
        if _UV_PART.match(line) and not _UV_GOES_ON.match(line):
            yield part
            part = "" if line.lstrip().startswith("hint:") else text
        else:
            part = f"{part} {text}".strip()
    yield part


def _last(told: Sequence[str]) -> tuple[str, str]:
    last = told[-1].strip() if told else "it said nothing"
    return last, last


def _readable(reason: str, requirements: Sequence[str]) -> str:
    """Without what is of our own making: the file, its lines, the place of copies."""
    reason = _FROM.sub("", reason)
    reason = _LINE.sub(lambda found: _text(requirements, int(found[1]) - 1), reason)
    reason = " ".join(_COPIED.sub("", reason).split())
    return reason if len(reason) <= _LONGEST else f"{reason[:_LONGEST]} ..."


def _text(requirements: Sequence[str], index: int) -> str:
    return requirements[index] if 0 <= index < len(requirements) else "a requirement"


def _guilty(requirements: Sequence[str], about: str) -> Iterator[int]:
    """Those that are named by their line or as they stand; else by their packages' names, which may be words
    of any sentence."""
    numbers = {int(number) - 1 for number in _LINE.findall(about)}
    exact = [index for index, one in enumerate(requirements) if index in numbers or _stands(one, about)]
    if exact:
        yield from exact
        return
    words = {canonicalize_name(word.rstrip(".")) for word in _WORD.findall(about)}
    for index, name in enumerate(map(_name, requirements)):
        if name in words:
            yield index


def _stands(requirement: str, about: str) -> bool:
    """As it is written, but for the blanks; a file by its name, wherever it is."""
    text = _file(requirement) or requirement
    if _WORD.fullmatch(text) and text == requirement:
        return False
    place = re.escape(text).replace(r"\ ", r"\s*")
    return re.search(rf"(?<![\w.-]){place}(?![\w.-]|[=<>!~])", about) is not None


def _name(requirement: str) -> str:
    """Of the package, as far as the requirement tells it."""
    if file := _file(requirement):
        return canonicalize_name(file.partition("-")[0])
    return canonicalize_name(Requirement(requirement).name)


def _file(requirement: str) -> str:
    """The name of the wheel or sdist that it leads to; empty where it is a requirement by name."""
    try:
        Requirement(requirement)
    except InvalidRequirement:
        return PurePosixPath(requirement.partition("#")[0]).name.partition("[")[0]
    return ""
