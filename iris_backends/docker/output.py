"""From the daemon's frames of a container's output to lines with their time, up to a limit. Pure."""

from __future__ import annotations

import calendar
import struct
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from attrs import define, field, frozen

from iris_api.supervised._spool import TAIL_BYTES, TAIL_LINES, pieces

__all__ = ["Frame", "Frames", "Lines", "Written", "stamp_us"]

_HEAD: Final = struct.Struct(">BxxxL")
_SOURCES: Final = {1: "stdout", 2: "stderr"}

Written = Callable[[str, str, int], None]


@frozen
class Frame:
    """A piece of a stream: a line with its newline, or a part of one. `stamp` is as the daemon wrote it."""

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
            stamp, _, text = data[at + _HEAD.size : end].partition(b" ")
            yield Frame(_SOURCES.get(stream, "stdout"), stamp, text)
            at = end
        self._rest = data[at:]


_seconds: dict[bytes, int] = {}  # of the last second that was seen: lines of one second come together


def stamp_us(stamp: bytes) -> int:
    """Unix microseconds of ``2026-11-21T15:46:14.123456789Z``."""
    whole, _, fraction = stamp.rstrip(b"Z").partition(b".")
    seconds = _seconds.get(whole)
    if seconds is None:
        seconds = calendar.timegm(time.strptime(whole.decode(), "%Y-%m-%dT%H:%M:%S"))
        _seconds.clear()
        _seconds[whole] = seconds
    return seconds * 1_000_000 + int((fraction + b"000000")[:6])


@define
class Lines:
    """Joins frames to lines and hands them on: at most `limit` bytes of them, then a line that says so, and
    at the end the last lines."""

    limit: int
    write: Written
    _rest: dict[str, bytes] = field(factory=dict, init=False)
    _room: int = field(init=False)
    _tail: deque[tuple[str, bytes, int]] = field(factory=deque, init=False)
    _held: int = field(default=0, init=False)
    _dropped: int = field(default=0, init=False)
    _full: bool = field(default=False, init=False)
    _last: int = field(default=0, init=False)
    last_error: str = field(default="", init=False)  # the last line of stderr

    def __attrs_post_init__(self) -> None:
        self._room = self.limit - self._tail_bytes

    @property
    def _tail_bytes(self) -> int:
        return min(TAIL_BYTES, self.limit // 4)

    def add(self, frame: Frame) -> None:
        self._last = max(self._last, stamp_us(frame.stamp))  # two streams may come out of order by little
        *lines, rest = (self._rest.get(frame.source, b"") + frame.data).split(b"\n")
        for line in lines:
            self._add_all(frame.source, *pieces(line))
        *full, rest = pieces(rest)
        self._add_all(frame.source, *full)
        self._rest[frame.source] = rest

    def finish(self) -> None:
        """What has no newline yet, and the tail of what went over the limit."""
        for source, rest in self._rest.items():
            if rest:
                self._add_all(source, rest)
        self._rest.clear()
        if self._dropped:
            self._mark(f"{self._dropped} lines dropped here")
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
                self._mark(f"output truncated after {_size(self.limit)}; its last lines follow at the end")
            self._hold(source, line)

    def _hold(self, source: str, line: bytes) -> None:
        self._tail.append((source, line, self._last))
        self._held += len(line) + 1
        while self._held > self._tail_bytes or len(self._tail) > TAIL_LINES:
            self._held -= len(self._tail.popleft()[1]) + 1
            self._dropped += 1

    def _mark(self, text: str) -> None:
        self.write("stderr", f"[iris: {text}]", self._last)

    def _hand_on(self, source: str, line: bytes, at: int) -> None:
        text = line.decode("utf-8", "replace")
        if source == "stderr":
            self.last_error = text
        self.write(source, text, at)


def _size(count: int) -> str:
    return f"{count // 2**20}MB" if count >= 2**20 else f"{count} bytes"
