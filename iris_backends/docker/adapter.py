"""UnixAdapter: the connections of a client to a daemon's Unix socket."""

from __future__ import annotations

import contextlib
import queue
import socket
from typing import Any

import urllib3.connectionpool
from docker.transport import UnixHTTPAdapter
from docker.transport.unixconn import UnixHTTPConnection

__all__ = ["UnixAdapter"]


class UnixAdapter(UnixHTTPAdapter):
    """One idle connection is kept, more are made while they are needed. The SDK's own keeps some for each
    URL, of which a container has many, and leaves a socket open that it could not connect."""

    def __init__(self, url: str, timeout: int) -> None:
        super().__init__(url.replace("unix://", "http+unix://"), timeout)
        self._pool = _Pool(url.removeprefix("unix://"), timeout)

    def get_connection(self, url: bytes | str, proxies: Any = None) -> Any:
        return self._pool

    def close(self) -> None:
        super().close()
        self._pool.close()


class _Pool(urllib3.connectionpool.HTTPConnectionPool):
    def __init__(self, path: str, timeout: int) -> None:
        super().__init__("localhost", timeout=timeout, maxsize=1)
        self._path, self._seconds = path, timeout

    def _new_conn(self) -> Any:
        return _Connection("http+docker://localhost", self._path, self._seconds)

    def _put_conn(self, conn: Any) -> None:
        """Without a warning for each that is not kept."""
        kept = False
        if self.pool is not None:
            with contextlib.suppress(queue.Full):
                self.pool.put(conn, block=False)
                kept = True
        if conn is not None and not kept:
            conn.close()


class _Connection(UnixHTTPConnection):
    def connect(self) -> None:
        made = socket.socket(socket.AF_UNIX)
        try:
            made.settimeout(self.timeout)
            made.connect(self.unix_socket)
        except OSError:
            made.close()
            raise
        self.sock = made
