"""From the daemon's frames of a container's output to lines with their time, up to a limit. Pure."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Final

from attrs import define, field, frozen

from iris_api.supervised._spool import TAIL_BYTES, TAIL_LINES, pieces

__all__ = ["TAIL_LINES", "Frame", "Frames", "Lines", "Written", "stamp_ns"]

_HEAD: Final = struct.Struct(">BxxxL")
_SOURCES: Final = {1: "stdout", 2: "stderr"}

Written = Callable[[str, str, int], None]


@frozen
class Frame:
    """A piece of a stream: a line with its newline, or a part of one. `stamp` is as the daemon wrote it, the
    same for all parts of a line. Without a `source` it is the daemon's own word, that it cannot read on."""

    source: str
    stamp: bytes
    data: bytes


class Frames:
    """Cuts the bytes of a logs request with timestamps into frames."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        data, at = self._rest + data, 0
        while len(data) - at >= _HEAD.size:
            stream, size = _HEAD.unpack_from(data, at)
            end = at + _HEAD.size + size
            if end > len(data):
                break
            content, at = data[at + _HEAD.size : end], end
            if stream in _SOURCES:
                stamp, _, text = content.partition(b" ")
                yield Frame(_SOURCES[stream], stamp, text)
            else:
                yield Frame("", b"", content)
        self._rest = data[at:]


_seconds: dict[bytes, int] = {}  # of the last second that was seen: lines of one second come together


def stamp_ns(stamp: bytes) -> int:
    """Unix nanoseconds of ``2026-11-21T15:46:14.123456789Z``; a daemon may write ``+09:00`` for its ``Z``."""
    zone = b"Z" if stamp.endswith(b"Z") else stamp[-6:]
    second, fraction = stamp[:19] + zone, stamp[20 : len(stamp) - len(zone)]
    if (seconds := _seconds.get(second)) is None:
        _seconds.clear()
        _seconds[second] = seconds = int(datetime.fromisoformat(second.decode()).timestamp())
    return seconds * 10**9 + int(fraction.ljust(9, b"0"))


@define
class Lines:
    """Joins frames to lines and hands them on: at most `limit` bytes of them, then a line that says so, and
    at the end the last lines."""

    limit: int
    write: Written
    _rest: dict[str, tuple[bytes, bytes]] = field(
        factory=dict, init=False
    )  # what has no newline yet, and its stamp
    _room: int = field(init=False)
    _tail: deque[tuple[str, bytes, int]] = field(factory=deque, init=False)
    _held: int = field(default=0, init=False)
    _dropped: int = field(default=0, init=False)
    _full: bool = field(default=False, init=False)
    _over: int = field(default=0, init=False)  # frames since then
    _last: int = field(default=0, init=False)
    last_error: str = field(default="", init=False)  # the last line of stderr

    def __attrs_post_init__(self) -> None:
        self._room = self.limit - self._tail_bytes

    @property
    def _tail_bytes(self) -> int:
        return min(TAIL_BYTES, self.limit // 4)

    def add(self, frame: Frame) -> None:
        if not frame.source:
            self.mark(f"the Docker daemon: {frame.data.decode('utf-8', 'replace').strip()}")
            return
        self._over += self._full
        rest, stamp = self._rest.get(frame.source, (b"", frame.stamp))
        if rest and stamp != frame.stamp:  # parts of a line have one; the last may have lost its newline
            self._add_all(frame.source, rest)
            rest = b""
        self._last = max(self._last, stamp_ns(frame.stamp) // 1000)  # two streams may come out of order
        *lines, rest = (rest + frame.data).split(b"\n")
        for line in lines:
            self._add_all(frame.source, *pieces(line))
        *full, rest = pieces(rest)
        self._add_all(frame.source, *full)
        self._rest[frame.source] = rest, frame.stamp

    def is_past_tail(self) -> bool:
        """Whether nothing of the last lines has been handed on."""
        return self._over >= TAIL_LINES

    def end_with(self, last: Iterable[Frame]) -> None:
        """These are the last `TAIL_LINES` frames, whatever has been added as such."""
        self._dropped += len(self._tail)
        self._tail.clear()
        self._rest.clear()
        self._held = 0
        before = self._dropped
        for frame in last:
            self.add(frame)
        self._dropped = max(1, before - len(self._tail))

    def finish(self) -> None:
        """What has no newline yet, and the tail of what went over the limit."""
        for source, (rest, _) in self._rest.items():
            if rest:
                self._add_all(source, rest)
        self._rest.clear()
        if self._dropped:
            self.mark(f"{self._dropped} lines dropped here")
            self._dropped = 0
        for source, line, at in self._tail:
            self._hand_on(source, line, max(at, self._last))
        self._tail.clear()

    def _add_all(self, source: str, *lines: bytes) -> None:
        for line in lines:
            size = len(line) + 1
            if not self._full and size <= self._room:
                self._room -= size
                self._hand_on(source, line, self._last)
                continue
            if not self._full:
                self._full = True
                self.mark(f"output truncated after {_size(self.limit)}; its last lines follow at the end")
            self._hold(source, line)

    def _hold(self, source: str, line: bytes) -> None:
        self._tail.append((source, line, self._last))
        self._held += len(line) + 1
        while self._held > self._tail_bytes or len(self._tail) > TAIL_LINES:
            self._held -= len(self._tail.popleft()[1]) + 1
            self._dropped += 1

    def mark(self, text: str) -> None:
        """A line of Iris itself."""
        self.write("stderr", f"[iris: {text}]", self._last)

    def _hand_on(self, source: str, line: bytes, at: int) -> None:
        text = line.decode("utf-8", "replace")
        if source == "stderr":
            self.last_error = text
        self.write(source, text, at)


def _size(count: int) -> str:
    return f"{count // 2**20}MB" if count >= 2**20 else f"{count} bytes"
