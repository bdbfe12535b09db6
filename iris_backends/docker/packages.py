"""Copies of Iris and of what it requires, for containers whose image has only Python."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import cache_from_source
from pathlib import Path, PurePath
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import iris_api
from iris_api.errors import PlatformError

__all__ = ["packages", "shared_cache"]

_log = logging.getLogger("iris.runtime")

_NAME: Final = "iris-cluster"
_HERE: Final = Path(iris_api.__file__).parents[1]
_UNUSED: Final = 30 * 86_400.0  # seconds; a container that runs for longer keeps what it has imported
_LEFT_OUT: Final = frozenset({"__pycache__", "tests", ".."})  # "..": programs and data elsewhere


def shared_cache() -> Path:
    """For what all clusters of this user on this machine share."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "iris"


def packages(root: Path) -> Path:
    """A directory below `root` with the packages, to be appended to `sys.path`; made now where it is missing.

    It is of the files of this installation and of no other, is whole as soon as it is there, and every user
    can read it. Extensions in it are for this machine's kind of image (glibc, this minor version of Python).
    Raises PlatformError.
    """
    made = root / f"packages-{_digest()}"
    if not made.is_dir():
        try:
            _make(made)
        except OSError as error:
            raise PlatformError(
                f"the packages that containers need cannot be copied to {root}: {error}"
            ) from error
    with contextlib.suppress(OSError):  # another user's is never removed by this one
        os.utime(made)
    return made


def _make(made: Path) -> None:
    """One process makes it, others wait. What one that was killed has left is removed by the next."""
    made.parent.mkdir(parents=True, exist_ok=True)
    with (made.parent / ".packages.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if made.is_dir():
            return
        draft = made.parent / ".packages"
        if draft.exists():
            shutil.rmtree(draft)
        try:
            _fill(draft)
            draft.rename(made)
            _prune(made)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise


def _prune(made: Path) -> None:
    """Remove the copies of other versions that nobody has asked for lately."""
    oldest = time.time() - _UNUSED
    for other in made.parent.glob("packages-*"):
        if other.stat().st_mtime < oldest:
            shutil.rmtree(other, ignore_errors=True)


def _fill(draft: Path) -> None:
    for name, source in _files():
        target = draft / name
        target.parent.mkdir(parents=True, exist_ok=True)
        # A package may have been slimmed, and not every module has been compiled.
        with contextlib.suppress(FileNotFoundError):
            _copy(source, target)
            if source.suffix == ".py":
                bytecode = Path(cache_from_source(str(source)))
                target.with_name("__pycache__").mkdir(exist_ok=True)
                _copy(bytecode, target.parent / "__pycache__" / bytecode.name)
    for top, _, _ in os.walk(draft):
        os.chmod(top, 0o755)  # noqa: S103, PTH101  a container's user is another one


def _copy(source: Path, target: Path) -> None:
    """With its time, by which Python knows that bytecode belongs to a module."""
    status = source.stat()
    shutil.copyfile(source, target)
    target.chmod(0o755 if status.st_mode & 0o100 else 0o644)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


@cache
def _digest() -> str:
    seen = hashlib.sha256(str(sys.implementation.cache_tag).encode())
    for one in _required():
        seen.update(f"{one.name} {one.version}\n{_record(one)}".encode())
    for name, path in _checked_out():
        status = path.stat()
        seen.update(f"{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return seen.hexdigest()[:16]


def _files() -> Iterator[tuple[PurePath, Path]]:
    """Where each is to be, and where it is."""
    for one in _required():
        for path in one.files or ():
            if _LEFT_OUT.isdisjoint(path.parts) and path.suffix != ".pth":
                yield path, Path(str(path.locate()))
    yield from _checked_out()


def _checked_out() -> Iterator[tuple[PurePath, Path]]:
    """The files of Iris, where they are those of a checkout: no record lists them."""
    if f"{iris_api.__name__}/__init__.py" in _record(_own()):
        return
    for package in sorted(_HERE.glob("iris*/__init__.py")):
        for path in sorted(package.parent.rglob("*")):
            name = path.relative_to(_HERE)
            if path.is_file() and _LEFT_OUT.isdisjoint(name.parts):
                yield name, path


@cache
def _required() -> Sequence[Distribution]:
    """Iris and all that it requires here, without extras of its own. What is missing is left out: it may
    not be needed in a container, and an import there says its name."""
    found: dict[str, Distribution | None] = {_NAME: _own()}
    seen: set[tuple[str, str]] = set()
    ahead = [(_NAME, "")]
    while ahead:
        if (place := ahead.pop()) in seen:
            continue
        seen.add(place)
        name, extra = place
        if name not in found:
            found[name] = _find(name)
        for needed in _requirements(found[name], extra):
            ahead += [(canonicalize_name(needed.name), asked) for asked in ("", *needed.extras)]
    return sorted((one for one in found.values() if one is not None), key=lambda one: one.name)


def _requirements(one: Distribution | None, extra: str) -> Iterator[Requirement]:
    for text in (one and one.requires) or ():
        needed = Requirement(text)
        if needed.marker is None or needed.marker.evaluate({"extra": extra}):
            yield needed


def _own() -> Distribution:
    try:
        return distribution(_NAME)
    except PackageNotFoundError as error:
        raise PlatformError(f"{_NAME} is not installed here, only imported; install it with pip") from error


def _find(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        _log.warning("%s is required and not installed here: containers will not have it", name)
        return None


def _record(one: Distribution) -> str:
    text = one.read_text("RECORD")
    if text is None:
        raise PlatformError(f"nothing tells the files of {one.name} here; install it with pip")
    return text
