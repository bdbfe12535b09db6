"""To go on with a container's output after a connection was cut: nothing comes twice, nothing is lost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from iris_backends.docker.output import Frame, stamp_ns

__all__ = ["Chunks", "Seen"]

_SLACK: Final = 10**9  # nanoseconds by which the frames of two streams may be out of order


class Chunks:
    """Takes the body out of a chunked answer of HTTP. `whole`: its end has come."""

    def __init__(self) -> None:
        self.whole = False
        self._rest = b""
        self._left = 0  # bytes of the chunk that is under way

    def feed(self, data: bytes) -> bytes:
        data, at, found = self._rest + data, 0, []
        while not self.whole:
            if self._left:
                found.append(data[at : at + self._left])
                at += len(found[-1])
                self._left -= len(found[-1])
            end = -1 if self._left else data.find(b"\r\n", at)
            if end < 0:
                break
            if size := data[at:end].partition(b";")[0]:  # else it is the newline behind a chunk
                self._left = int(size, 16)
                self.whole = not self._left
            at = end + 2
        self._rest = data[at:]
        return b"".join(found)


class Seen:
    """What has come of each stream: the stamp of its last frame, and how many frames had that. Stamps of one
    stream do not go back, except where somebody sets the daemon's clock; those of both together may."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[bytes, int]] = {}
        self._known: dict[str, tuple[int, int]] = {}  # what comes again: up to this time, and how many of it

    def begin_again(self) -> str:
        """From when on the daemon is to tell again, as it wants it: ``seconds.nanoseconds``; empty: all."""
        self._known = self._all_known()
        if not self._known:
            return ""
        since = min(at for at, _ in self._known.values()) - _SLACK
        return f"{since // 10**9}.{since % 10**9:09}"

    def is_new(self, frame: Frame) -> bool:
        if _is_known(frame, self._known):
            return False
        stamp, count = self._last.get(frame.source, (b"", 0))
        self._last[frame.source] = (frame.stamp, count + 1 if stamp == frame.stamp else 1)
        return True

    def missing(self, last: Iterable[Frame]) -> list[Frame]:
        """Which of the last frames that there are have not come. They begin with a line, not within one."""
        known = self._all_known()
        return [frame for frame in last if frame.source and not _is_known(frame, known)]

    def _all_known(self) -> dict[str, tuple[int, int]]:
        return {source: (stamp_ns(stamp), count) for source, (stamp, count) in self._last.items()}


def _is_known(frame: Frame, known: dict[str, tuple[int, int]]) -> bool:
    """And one less of its time from now on."""
    if frame.source not in known:
        return False
    until, count = known[frame.source]
    at = stamp_ns(frame.stamp)
    if at == until and count:
        known[frame.source] = (until, count - 1)
    elif at >= until:
        del known[frame.source]
        return False
    return True
