"""LogStore: one file an attempt, one line an entry. It outlives the worker, the attempt and this process.

A line is ``<timestamp_us> <source> <data>``, and comes so from the worker: blocks of lines are counted and
written, and nothing is done for a single one. A line that starts with "#" is the store's own and stands for
a number of entries: ``#<count> <timestamp_us> <source> <data>``; so the entries are counted by reading.
"""

from __future__ import annotations

import shutil
import threading
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Final

from attrs import define, field, frozen

from iris_api.errors import InvalidSpec
from iris_api.ids import TaskId
from iris_controller.log_files import REMOVED

__all__ = ["LogLine", "LogStore"]

_QUOTA: Final = 64 * 2**20
_CHUNK: Final = 2**20  # bytes that one read returns at most, but for a longer line
_END: Final = 2**62  # the offset behind logs that were removed
_REMOVED_LINE: Final = "[iris: this output was removed: all logs together were over their limit]"
_REMEMBERED: Final = 4096  # files whose count is kept in memory
_DIGITS: Final = 19  # of a timestamp: it is a signed 64-bit number


@frozen
class LogLine:
    timestamp_us: int
    source: str
    data: str


@define
class _Tail:
    """The end of one file. `next` is the index of the entry that is expected. `stale`: a write has failed,
    and what is in the file is to be counted anew."""

    next: int = 0
    size: int = 0
    truncated: bool = False
    stale: bool = False
    lock: threading.Lock = field(factory=threading.Lock)

    def take_over(self, other: _Tail) -> None:
        """All but its lock."""
        self.next, self.size, self.truncated = other.next, other.size, other.truncated
        self.stale = other.stale


class LogStore:
    """Files under `directory`. Methods block on the disk; safe from several threads."""

    def __init__(self, directory: Path, quota: int = _QUOTA) -> None:
        self.directory = directory
        self.written = 0  # bytes by this process, about
        self._quota = quota
        self._lock = threading.Lock()
        self._tails: dict[Path, _Tail] = {}

    def append(self, task: TaskId, uid: str, first: int, count: int, lines: bytes) -> int:
        """Add `count` lines, of which `first` is the index of the first; those that are there already are
        skipped. Returns the index expected next. Over the quota, all is dropped behind a mark. Raises
        InvalidSpec for a block that is no such lines, and OSError where the disk does not take all of them;
        then the same may be added again."""
        _check(count, lines)
        path = self._path(task, uid)
        tail = self._tail(path)
        with tail.lock:
            if tail.stale:
                tail.take_over(_survey(path))
            following = first + count
            if tail.truncated or following <= tail.next:
                tail.next = max(tail.next, following)
                return tail.next
            missing = first - tail.next
            when = _timestamp(lines)
            data = _lost(missing, when) + lines if missing > 0 else _without(-missing, lines)
            self._write(path, tail, data, following, when)
            return tail.next

    def read(self, task: TaskId, uid: str, offset: int, limit: int) -> tuple[list[LogLine], int, bool]:
        """Up to `limit` entries from a byte offset, the offset behind them, and whether that is the end."""
        try:
            with self._path(task, uid).open("rb") as file:
                file.seek(offset)
                data, at_end = _whole_lines(file)
        except FileNotFoundError:
            return self._absent(task, offset)
        lines = data.split(b"\n")[:-1]
        taken = lines[:limit]
        following = offset + sum(len(line) + 1 for line in taken)
        return [_parse(line) for line in taken], following, at_end and len(taken) == len(lines)

    def discard(self, root: str) -> None:
        """Remove the logs of a root job and all below it."""
        shutil.rmtree(self.directory / root, ignore_errors=True)

    def _absent(self, task: TaskId, offset: int) -> tuple[list[LogLine], int, bool]:
        """Nothing was put out, or it is gone: who reads is told that once."""
        try:
            removed = (self.directory / task.job.root / REMOVED).stat().st_mtime
        except FileNotFoundError:
            return [], offset, True
        line = LogLine(int(removed * 1e6), "log", _REMOVED_LINE)
        return [line] if offset < _END else [], _END, True

    def _path(self, task: TaskId, uid: str) -> Path:
        return self.directory / task.job / f":{task.replica}" / f"{uid}.log"

    def _tail(self, path: Path) -> _Tail:
        with self._lock:
            tail = self._tails.get(path)
            if tail is None:
                tail = self._tails[path] = _survey(path)
                if len(self._tails) > _REMEMBERED:
                    self._drop_one(path)
            return tail

    def _drop_one(self, wanted: Path) -> None:
        for path, tail in self._tails.items():
            if path != wanted and not tail.lock.locked():
                del self._tails[path]
                return

    def _write(self, path: Path, tail: _Tail, data: bytes, following: int, when: int) -> None:
        truncated = tail.size + len(data) > self._quota
        if truncated:
            room = data.rfind(b"\n", 0, max(0, self._quota - tail.size)) + 1
            mark = f"#0 {when} log [iris: output over {self._quota} bytes an attempt is dropped]\n"
            data = data[:room] + mark.encode()
        tail.stale = True  # until all is written
        with _opened(path) as file:
            left = memoryview(data)
            while left:  # a disk that becomes full takes a part
                left = left[file.write(left) :]
        self.written += len(data)
        tail.take_over(_Tail(following, tail.size + len(data), truncated))


def _opened(path: Path) -> FileIO:
    try:
        return path.open("ab", buffering=0)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path.open("ab", buffering=0)


def _check(count: int, lines: bytes) -> None:
    """Is this what `count` says, and without a line that would be taken for one of the store's own?"""
    found = lines.count(b"\n")
    if found != count or (lines and not lines.endswith(b"\n")):
        raise InvalidSpec(f"lines are not allowed: there are {found} newlines, and count is {count}")
    if lines.startswith((b"#", b"\n")) or b"\n#" in lines or b"\n\n" in lines:
        raise InvalidSpec("lines are not allowed: each looks like '<timestamp_us> <source> <data>'")


def _without(count: int, lines: bytes) -> bytes:
    """What follows the first `count` lines."""
    start = 0
    for _ in range(count):
        start = lines.index(b"\n", start) + 1
    return lines[start:]


def _survey(path: Path) -> _Tail:
    """Count what an earlier process left, and cut off a line that it did not finish."""
    try:
        with path.open("r+b") as file:
            tail = _Tail()
            for line in file:
                if not line.endswith(b"\n"):
                    file.truncate(tail.size)
                    break
                tail.size += len(line)
                count = int(line[1:].split(b" ", 1)[0]) if line.startswith(b"#") else 1
                tail.truncated = tail.truncated or count == 0
                tail.next += count
            return tail
    except FileNotFoundError:
        return _Tail()


def _whole_lines(file: BinaryIO) -> tuple[bytes, bool]:
    """About a chunk, to the end of its last line, or the whole of a line that is longer; and whether the
    file has no further one. What follows the last newline is being written, or never was."""
    data = file.read(_CHUNK)
    at_end = len(data) < _CHUNK
    end = data.rfind(b"\n") + 1
    if not end and not at_end:
        data += file.readline()
        end = data.rfind(b"\n") + 1
    return data[:end], at_end


def _timestamp(lines: bytes) -> int:
    """Of the first line; 0 where it has none."""
    text = lines[:_DIGITS].partition(b" ")[0]
    return int(text) if text.isdigit() else 0


def _lost(count: int, when: int) -> bytes:
    return f"#{count} {when} log [iris: {count} lines are missing here]\n".encode()


def _parse(line: bytes) -> LogLine:
    """Of a line of another form, which a worker should not have sent, nothing is lost either."""
    whole = line
    if line.startswith(b"#"):
        line = line.partition(b" ")[2]
    timestamp, _, rest = line.partition(b" ")
    source, _, data = rest.partition(b" ")
    if not timestamp.isdigit() or len(timestamp) > _DIGITS:
        timestamp, source, data = b"0", b"log", whole
    return LogLine(int(timestamp), source.decode("utf-8", "replace"), data.decode("utf-8", "replace"))
