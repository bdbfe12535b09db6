"""What a daemon sends for a container's output, byte for byte."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from iris_backends.docker.output import Frame, Frames, Lines

__all__ = ["PART", "STREAMS", "chunked", "framed", "lines_of", "parts", "stamp"]

PART = 16 * 1024  # bytes of a line of which the daemon makes one frame
STREAMS = {"stdout": 1, "stderr": 2, "": 3}


def stamp(number: int) -> bytes:
    """A time `number` nanoseconds after another."""
    seconds, nanos = divmod(number, 10**9)
    return f"2026-11-21T15:{seconds // 60:02}:{seconds % 60:02}.{nanos:09}Z".encode()


def parts(source: str, at: bytes, line: bytes) -> list[Frame]:
    """The frames of one line, which brings its newline with it or not."""
    found = [Frame(source, at, line[start : start + PART]) for start in range(0, len(line), PART)]
    return found or [Frame(source, at, b"")]


def framed(frames: Iterable[Frame]) -> bytes:
    return b"".join(map(_framed, frames))


def _framed(frame: Frame) -> bytes:
    content = frame.stamp + b" " + frame.data if frame.source else frame.data
    return struct.pack(">BxxxL", STREAMS[frame.source], len(content)) + content


def chunked(*pieces: bytes, whole: bool = True) -> bytes:
    """As the body of an HTTP answer."""
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece)
    return body + (b"0\r\n\r\n" if whole else b"")


def lines_of(pieces: Sequence[bytes], limit: int = 2**26) -> list[tuple[str, str, int]]:
    """What comes out of frames that are read in these pieces."""
    found: list[tuple[str, str, int]] = []
    lines, frames = Lines(limit, lambda *line: found.append(line)), Frames()
    for piece in pieces:
        for frame in frames.feed(piece):
            lines.add(frame)
    lines.finish()
    return found
