"""BoundedProtocol: uvicorn's HTTP/1.1, with a bound on what a caller may send before the gate can look."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["BoundedProtocol"]

MOST_BYTES: Final = 64 * 1024  # of a request's head
MOST_SECONDS: Final = 10.0  # for a head to arrive, the first one counted from the connection


class BoundedProtocol(HttpToolsProtocol):
    """Drops a connection whose request head is too long or does not come to its end. uvicorn bounds
    neither, and whoever sends a head needs no token for it."""

    _in_head = False
    _head_bytes = 0
    _alarm: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._alarm = self.loop.call_later(MOST_SECONDS, transport.close)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_BYTES:
                self.transport.close()
            elif self._alarm is None:
                self._alarm = self.loop.call_later(MOST_SECONDS, self.transport.close)

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self.head_came()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self.head_came()
        super().connection_lost(exc)

    def head_came(self) -> None:
        """The head is complete, or nobody waits for it."""
        self._in_head, self._head_bytes = False, 0
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
