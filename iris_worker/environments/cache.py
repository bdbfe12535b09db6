"""The environments on a machine's disk: whole or not there, shared by its workers, bounded in size.

``<key>/`` is whole: ``packages/``, ``made.json``, and ``uses/`` with a link for each attempt, which leads to
the attempt's directory. ``.<key>.<uid>/`` is being built, ``.gone.<uid>/`` is being removed, and
``.<key>.lock`` is held by who does either.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from attrs import asdict, frozen

from iris_api.ids import new_uid
from iris_api.resources import format_memory

__all__ = ["KeyLock", "Made", "PackageCache"]

_log = logging.getLogger("iris.worker")
_MADE: Final = "made.json"
_KEPT: Final = ("packages", "requirements.txt", "uses")  # of a draft


@frozen(kw_only=True)
class Made:
    """Who built an environment, and when (Unix seconds); its `size` in bytes."""

    task_id: str
    at: float
    size: int


class KeyLock:
    """One holder on this machine at a time, who loses it when its process dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1

    def try_acquire(self) -> bool:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(self._file).st_ino == self._path.stat().st_ino:
                return True
        except (BlockingIOError, FileNotFoundError):
            pass  # somebody has it, or its last holder has removed it
        self.release()
        return False

    def release(self) -> None:
        """Idempotent."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def remove(self) -> None:
        """Release it, and leave no file."""
        self._path.unlink(missing_ok=True)
        self.release()


class PackageCache:
    """`limit` in bytes; what running attempts use is kept also above it. Safe from several threads."""

    def __init__(self, directory: Path, limit: int) -> None:
        self._directory, self._limit = directory.absolute(), limit

    def lock(self, key: str) -> KeyLock:
        return KeyLock(self._directory / f".{key}.lock")

    def packages(self, key: str) -> Path:
        return self._directory / key / "packages"

    def find(self, key: str) -> Made | None:
        """None where there is no such environment. To be asked with the key's lock held."""
        try:
            return Made(**json.loads((self._directory / key / _MADE).read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def use(self, key: str, uid: str, holder: Path) -> None:
        """Attempt `uid` uses it from now on for as long as its directory `holder` is there. With the lock."""
        entry = self._directory / key
        link = entry / "uses" / uid
        link.unlink(missing_ok=True)
        link.symlink_to(holder.absolute())
        os.utime(entry)

    def release(self, key: str, uid: str) -> None:
        """It does not any more. Unknown is fine."""
        with contextlib.suppress(OSError):
            (self._directory / key / "uses" / uid).unlink()

    @contextlib.contextmanager
    def draft(self, key: str) -> Iterator[Path]:
        """A directory to build in. What is left of it at the end of the block is removed."""
        path = self._directory / f".{key}.{new_uid()}"
        for part in ("packages", "uses"):
            (path / part).mkdir(parents=True)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def keep(self, key: str, draft: Path, task_id: str, at: float) -> None:
        """What was built is whole: it becomes the environment of this key. With the lock."""
        for path in draft.iterdir():
            if path.name not in _KEPT:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        made = Made(task_id=task_id, at=at, size=_size(draft / "packages"))
        (draft / _MADE).write_text(json.dumps(asdict(made)))
        left = self._directory / key
        if left.exists():  # without a readable `made.json`: nobody can use it
            self._discard(left)
        draft.rename(left)

    def make_room(self) -> None:
        """Remove what was used longest ago until the rest is within the limit."""
        sizes = {entry: found.size for entry in self._entries() if (found := self.find(entry.name))}
        total = sum(sizes.values())
        for entry in sorted(sizes, key=_last_use):
            if total <= self._limit:
                return
            if self._remove(entry):
                total -= sizes[entry]
        if total > self._limit:
            size, limit = format_memory(total), format_memory(self._limit)
            _log.warning("packages of running tasks take %s, which is more than %s", size, limit)

    def sweep(self) -> None:
        """Remove what builds and removals have left that were interrupted."""
        for left in self._directory.glob(".*.*") if self._directory.is_dir() else ():
            if left.suffix == ".lock" or not left.is_dir():
                continue
            key = left.name.split(".")[1]
            lock = self.lock(key)
            if key == "gone" or lock.try_acquire():
                shutil.rmtree(left, ignore_errors=True)
                lock.release()

    def _entries(self) -> list[Path]:
        if not self._directory.is_dir():
            return []
        return [path for path in self._directory.iterdir() if not path.name.startswith(".")]

    def _remove(self, entry: Path) -> bool:
        lock = self.lock(entry.name)
        if not lock.try_acquire():
            return False
        try:
            if self._in_use(entry):
                return False
            self._discard(entry)
            lock.remove()
            return True
        except OSError as error:
            _log.warning("environment %s cannot be removed: %s", entry.name, error)
            return False
        finally:
            lock.release()

    def _in_use(self, entry: Path) -> bool:
        """Links of attempts that are gone lead nowhere; these are cleared away."""
        alive = False
        for link in (entry / "uses").iterdir():
            if link.exists():
                alive = True
            else:
                link.unlink(missing_ok=True)
        return alive

    def _discard(self, entry: Path) -> None:
        """At once for all others, however long the removal takes."""
        gone = self._directory / f".gone.{new_uid()}"
        entry.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def _last_use(entry: Path) -> float:
    try:
        return entry.stat().st_mtime
    except FileNotFoundError:  # another worker has removed it
        return 0.0


def _size(directory: Path) -> int:
    return sum(path.lstat().st_size for path in directory.rglob("*"))
