"""HttpTransport: listens with one uvicorn, connects with pooled sockets."""

from __future__ import annotations

import time
from typing import Final

from iris_actor.http.app import ActorApp
from iris_actor.http.channel import HttpChannel
from iris_actor.http.workers import Workers
from iris_api.credentials import Token
from iris_api.errors import PlatformError
from iris_api.rpc.serving import Server, serve
from iris_api.threads import ThreadContainer, get_thread_registry
from iris_api.transport import Bind, Channel, Handler, Listener, Transport

__all__ = ["HttpListener", "HttpTransport"]

_LIMIT: Final = 1024 * 1024 * 1024  # bytes of a request or reply


class HttpTransport(Transport):
    """One may serve a whole process: threads belong to whoever listens or submits."""

    schemes = ("http",)

    def __init__(self, *, limit: int = _LIMIT) -> None:
        self._limit = limit

    def listen(self, handler: Handler, bind: Bind) -> Listener:
        threads = (bind.threads or get_thread_registry().container).child("actor-server")
        workers = Workers(threads, bind.max_concurrency, "actor-call")
        try:
            server = serve(
                ActorApp(handler, workers, self._limit),
                host=bind.host,
                port=bind.port,
                threads=threads,
                name="actor-server",
                token=bind.token,
                advertise_host=bind.advertise_host,
            )
        except BaseException:
            threads.stop()
            raise
        return HttpListener(server, workers, threads)

    def connect(self, address: str, token: Token | None = None) -> Channel:
        return HttpChannel(address, token, limit=self._limit)


class HttpListener(Listener):
    def __init__(self, server: Server, workers: Workers, threads: ThreadContainer) -> None:
        self.address = server.address
        self.port = server.port
        self._server = server
        self._workers = workers
        self._threads = threads

    def close(self, timeout: float = 5.0) -> None:
        if self._workers.inside():
            raise PlatformError("a listener cannot be closed by one of its own calls: it waits for them")
        deadline = time.monotonic() + timeout
        self._workers.close(timeout)
        self._server.stop(max(deadline - time.monotonic(), 1.5))  # which is what cutting off takes at most
        self._threads.stop(max(deadline - time.monotonic(), 0.1))
