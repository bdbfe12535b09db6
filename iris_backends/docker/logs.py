"""LogStream: a container's output as it comes, without a thread of its own."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import urlsplit

from iris_backends.docker.errors import DaemonDown, DaemonFault, explain
from iris_backends.docker.output import Frame, Frames
from iris_backends.docker.resume import Chunks, Seen

__all__ = ["LogStream", "connect"]

_CONNECT: Final = 10.0  # seconds
_SLICE: Final = 1 << 20
_MOST_HEAD: Final = 64 * 1024


class LogStream:
    """Follows the logs of one container from its first line on, and goes on where it was when it is opened
    again. `whole`: the daemon has told all that there is; else it was cut off, and there may be more."""

    def __init__(self, url: str, version: str, container: str) -> None:
        self._url, self._version, self._container = url, version, container
        self._socket: socket.socket | None = None
        self._frames, self._chunks, self._seen = Frames(), Chunks(), Seen()
        self._told: set[bytes] = set()  # what the daemon has said itself
        self.whole = False

    def open(self) -> None:
        """Raises DaemonDown, or what the daemon says."""
        self.close()
        self._frames, self._chunks, self.whole = Frames(), Chunks(), False
        since = self._seen.begin_again()
        connection = self._ask(f"follow=1&since={since}" if since else "follow=1")
        connection.setblocking(False)
        self._socket = connection

    def missing(self, last: Iterable[Frame]) -> list[Frame]:
        """Which of the last frames have not come: who follows a log may miss what comes with its end."""
        return self._seen.missing(last)

    def last(self, count: int) -> list[Frame]:
        """The last frames that there are now. Raises DaemonDown, or what the daemon says."""
        found, frames, chunks = list[Frame](), Frames(), Chunks()
        with self._ask(f"tail={count}") as connection:
            try:
                while not chunks.whole and (data := connection.recv(_SLICE)):
                    found += frames.feed(chunks.feed(data))
            except OSError as error:
                raise self._hung_up(error) from error
        return found

    def fileno(self) -> int:
        return self._socket.fileno() if self._socket is not None else -1

    def read(self) -> tuple[list[Frame], bool]:
        """Frames that have come, and whether there may be more on this connection."""
        assert self._socket is not None
        try:
            data = self._socket.recv(_SLICE)
        except BlockingIOError:
            return [], True
        except OSError:  # the daemon is gone
            return [], False
        frames = list(self._new(self._frames.feed(self._chunks.feed(data))))
        self.whole = self._chunks.whole
        return frames, bool(data) and not self.whole

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    @property
    def _what(self) -> str:
        return f"the logs of container {self._container[:12]}"

    def _ask(self, how: str) -> socket.socket:
        path = f"/v{self._version}/containers/{self._container}/logs?stdout=1&stderr=1&timestamps=1&{how}"
        connection = connect(self._url)
        try:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: docker\r\n\r\n".encode())
            self._check(connection)
        except OSError as error:
            connection.close()
            raise self._hung_up(error) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _hung_up(self, why: object) -> DaemonDown:
        return DaemonDown(f"{self._what}: the daemon at {self._url} hung up: {why}")

    def _new(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Without those that an earlier connection has brought."""
        for frame in frames:
            if frame.source:
                if self._seen.is_new(frame):
                    yield frame
            elif frame.data not in self._told:
                self._told.add(frame.data)
                yield frame

    def _check(self, connection: socket.socket) -> None:
        """Read the head of the answer and nothing behind it."""
        head = b""
        while not head.endswith(b"\r\n\r\n") and len(head) < _MOST_HEAD:
            piece = connection.recv(1)
            if not piece:
                raise self._hung_up("no answer")
            head += piece
        first = head.split(b" ", 2)
        if not head.startswith(b"HTTP/") or len(first) < 3 or not first[1].isdigit():
            raise DaemonFault(f"{self._what}: what answers at {self._url} is no Docker daemon")
        if first[1] != b"200":
            raise explain(int(first[1]), _message(connection.recv(_MOST_HEAD)), self._what)
        if b"chunked" not in head.lower():
            raise DaemonFault(f"{self._what}: what answers at {self._url} does not tell where they end")


def connect(url: str) -> socket.socket:
    """A connection to a daemon. Raises DaemonDown."""
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


def _message(body: bytes) -> str:
    """Of an answer that is an error."""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, LookupError, TypeError):
        return body.decode("utf-8", "replace")
