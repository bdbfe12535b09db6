"""LogStream: a container's output as it comes, without a thread of its own."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from iris_backends.docker.errors import DaemonDown, explain
from iris_backends.docker.output import Frame, Frames

__all__ = ["LogStream"]

_CONNECT: Final = 10.0  # seconds
_SLICE: Final = 1 << 20
_MOST_HEAD: Final = 64 * 1024


class LogStream:
    """Follows the logs of one container from its first line on, and goes on where it was after `reopen`."""

    def __init__(self, url: str, version: str, container: str) -> None:
        self._url, self._version, self._container = url, version, container
        self._socket: socket.socket | None = None
        self._frames = Frames()
        self._last = b""  # the stamp of the last frame
        self._of_last = 0  # frames that had it
        self._skip = 0

    def open(self) -> None:
        """Raises DaemonDown, or what the daemon says."""
        self.close()
        self._frames = Frames()
        self._skip = self._of_last
        since = f"&since={_since(self._last)}" if self._last else ""
        path = f"/v{self._version}/containers/{self._container}/logs"
        query = f"follow=1&stdout=1&stderr=1&timestamps=1{since}"
        connection = _connect(self._url)
        try:
            connection.sendall(f"GET {path}?{query} HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
            self._check(connection)
            connection.setblocking(False)
        except BaseException:
            connection.close()
            raise
        self._socket = connection

    def fileno(self) -> int:
        return self._socket.fileno() if self._socket is not None else -1

    def read(self) -> tuple[list[Frame], bool]:
        """Frames that have come, and whether there may be more: at the end of the stream there are not."""
        assert self._socket is not None
        try:
            data = self._socket.recv(_SLICE)
        except BlockingIOError:
            return [], True
        except OSError:  # the daemon is gone
            return [], False
        return list(self._new(self._frames.feed(data))), bool(data)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _new(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Without those that an earlier connection has brought: a daemon begins with the last stamp again."""
        for frame in frames:
            if self._skip and frame.stamp == self._last:
                self._skip -= 1
                continue
            self._skip = 0
            self._of_last = self._of_last + 1 if frame.stamp == self._last else 1
            self._last = frame.stamp
            yield frame

    def _check(self, connection: socket.socket) -> None:
        """Read the head of the answer and nothing behind it."""
        head = b""
        while not head.endswith(b"\r\n\r\n") and len(head) < _MOST_HEAD:
            piece = connection.recv(1)
            if not piece:
                raise DaemonDown(f"container {self._container[:12]}: the daemon at {self._url} hung up")
            head += piece
        status = int(head.split(b" ", 2)[1])
        if status != 200:
            text = connection.recv(_MOST_HEAD).decode("utf-8", "replace")
            raise explain(status, text, f"the logs of container {self._container[:12]}")


def _connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    connection = None
    try:
        if parts.scheme in ("tcp", "http"):
            return socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 2375), _CONNECT)
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_CONNECT)
        connection.connect(parts.path)
    except OSError as error:
        with contextlib.suppress(AttributeError):
            connection.close()  # type: ignore[union-attr]
        raise DaemonDown(f"no Docker daemon answers at {url}: {error}") from error
    return connection


def _since(stamp: bytes) -> str:
    """As the daemon wants it: ``seconds.nanoseconds``."""
    from iris_backends.docker.output import stamp_us

    fraction = stamp.rstrip(b"Z").partition(b".")[2].decode()
    return f"{stamp_us(stamp) // 1_000_000}.{fraction or '0':0<9}"
