"""HttpTransport: listens with one uvicorn, connects with pooled sockets."""

from __future__ import annotations

from typing import Final

from iris_actor.http.channel import HttpChannel
from iris_api.credentials import Token
from iris_api.transport import Bind, Channel, Handler, Listener, Transport

__all__ = ["HttpTransport"]

_LIMIT: Final = 1024 * 1024 * 1024  # bytes of a request or reply


class HttpTransport(Transport):
    """One may serve a whole process: threads belong to whoever listens or submits."""

    schemes = ("http",)

    def __init__(self, *, limit: int = _LIMIT, linger: bool = True) -> None:
        self._limit = limit
        self._linger = linger

    def listen(self, handler: Handler, bind: Bind) -> Listener:
        from iris_actor.http.listener import HttpListener  # clients do without a server's imports

        return HttpListener.open(handler, bind, limit=self._limit, linger=self._linger)

    def connect(self, address: str, token: Token | None = None) -> Channel:
        return HttpChannel(address, token, limit=self._limit)
