"""HttpPool: pooled blocking keep-alive sockets to one address, no thread hop, one deadline a request."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from iris_api.credentials import Token
from iris_api.errors import InvalidSpec, NotSent
from iris_api.rpc.connection import Body, Connection, Response
from iris_api.rpc.version import VERSION

__all__ = ["DEFAULT_LIMIT", "HttpPool", "split_address"]

DEFAULT_LIMIT: Final = 64 * 1024 * 1024  # bytes of a reply
_TAIL: Final = b"%bconnect-timeout-ms: %d\r\ncontent-length: %d\r\n\r\n"
_MAX_IDLE: Final = 16
_CONNECT_SECONDS: Final = 10.0
_IDLE_SECONDS: Final = 45.0  # well below the server's keep-alive: none is closed under a request


def split_address(address: str) -> tuple[str, int]:
    """Host and port of ``http://host:port``. Raises InvalidSpec."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port or 80
    except ValueError as error:
        raise InvalidSpec(f"address {address!r}: {error}") from error
    if parts.scheme != "http" or not host or parts.path.strip("/"):
        raise InvalidSpec(f"address {address!r} is not allowed: expected http://host:port")
    return host, port


class HttpPool:
    """Requests to one address, from any number of threads; a request holds a socket and nothing else."""

    def __init__(self, address: str, token: Token | None = None, *, limit: int = DEFAULT_LIMIT) -> None:
        self.address = address.rstrip("/")
        self.limit = limit
        self._host, self._port = split_address(address)
        self._token = token
        self._heads: dict[tuple[str, str], bytes] = {}
        self._idle: deque[Connection] = deque()
        self._busy: set[Connection] = set()
        self._lock = threading.Lock()  # guards `_closed` against a request that begins meanwhile
        self._closed = False
        self._pid = os.getpid()

    def post(self, path: str, parts: Sequence[Body], *, content_type: str, timeout: float) -> Response:
        """Send a body in `parts` and read the whole reply. Raises NotSent, Lost, DeadlineExceeded."""
        connection = self.begin(path, parts, content_type=content_type, timeout=timeout)
        try:
            return connection.read(self.limit)
        finally:
            self.end(connection)

    def begin(self, path: str, parts: Sequence[Body], *, content_type: str, timeout: float) -> Connection:
        """Send a request; the caller reads the reply from the connection and gives it to `end`."""
        deadline = time.monotonic() + timeout
        label = self.address + path
        connection = self._acquire(deadline, label)
        size = sum(len(part) for part in parts)
        head = _TAIL % (self._head(path, content_type), int(timeout * 1000) + 1, size)
        try:
            connection.send((head, *parts), deadline, label)
        except BaseException:
            self.end(connection)
            raise
        return connection

    def end(self, connection: Connection) -> None:
        """Keep a connection for the next request if its reply was read whole, else close it."""
        self._busy.discard(connection)
        if connection.reusable and not self._closed and len(self._idle) < _MAX_IDLE:
            connection.idle_since = time.monotonic()
            self._idle.append(connection)
            if self._closed:  # meanwhile: `close` may have emptied the queue before
                self._close_idle()
        else:
            connection.close()

    @property
    def has_idle(self) -> bool:
        """Whether the next request need not connect."""
        return bool(self._idle)

    def close(self) -> None:
        """Close all connections; requests under way fail with Lost. Idempotent."""
        with self._lock:
            self._closed = True
            busy = list(self._busy)
        for connection in busy:
            connection.abort()
        self._close_idle()

    def __del__(self) -> None:
        if hasattr(self, "_idle"):
            self._close_idle()

    def __repr__(self) -> str:
        return f"HttpPool({self.address!r})"

    def _acquire(self, deadline: float, label: str) -> Connection:
        if self._pid != os.getpid():
            self._begin_anew()
        connection = self._pop_idle()
        if connection is None:
            connect_by = min(deadline, time.monotonic() + _CONNECT_SECONDS)
            connection = Connection.open(self._host, self._port, connect_by, label)
        with self._lock:
            if not self._closed:
                self._busy.add(connection)
                return connection
        connection.close()
        raise NotSent(f"{label}: this client is closed")

    def _begin_anew(self) -> None:
        """In a forked child: the connections are the parent's."""
        self._idle, self._busy, self._lock, self._pid = deque(), set(), threading.Lock(), os.getpid()

    def _close_idle(self) -> None:
        while self._idle:
            with suppress(IndexError):  # another thread was faster
                self._idle.pop().close()

    def _pop_idle(self) -> Connection | None:
        """The connection used last, if the server has not closed it meanwhile."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if not connection.is_stale() and time.monotonic() - connection.idle_since < _IDLE_SECONDS:
                return connection
            connection.close()

    def _head(self, path: str, content_type: str) -> bytes:
        head = self._heads.get((path, content_type))
        if head is None:
            head = self._heads[path, content_type] = self._make_head(path, content_type)
        return head

    def _make_head(self, path: str, content_type: str) -> bytes:
        host = f"[{self._host}]" if ":" in self._host else self._host
        lines = [f"POST {path} HTTP/1.1", f"host: {host}:{self._port}", f"content-type: {content_type}"]
        if self._token is not None:
            lines.append(f"authorization: Bearer {self._token.reveal()}")
        lines += [f"iris-version: {VERSION}", "connect-protocol-version: 1", ""]
        return "\r\n".join(lines).encode()
