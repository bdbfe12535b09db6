"""HttpListener: an ActorApp behind the gate, and the threads that its calls run on."""

from __future__ import annotations

import time
from typing import Self

from iris_actor.http.app import ActorApp
from iris_actor.http.protocol import LingeringProtocol
from iris_actor.http.workers import Workers
from iris_api.errors import PlatformError
from iris_api.rpc.serving import Server, serve
from iris_api.threads import ThreadContainer, get_thread_registry
from iris_api.transport import Bind, Handler, Listener

__all__ = ["HttpListener"]


class HttpListener(Listener):
    def __init__(self, server: Server, workers: Workers, threads: ThreadContainer) -> None:
        self.address = server.address
        self.port = server.port
        self._server = server
        self._workers = workers
        self._threads = threads

    @classmethod
    def open(cls, handler: Handler, bind: Bind, *, limit: int, linger: bool) -> Self:
        threads = (bind.threads or get_thread_registry().container).child("actor-server")
        workers = Workers(threads, bind.max_concurrency, "actor-call")
        try:
            server = serve(
                ActorApp(handler, workers, limit),
                host=bind.host,
                port=bind.port,
                threads=threads,
                name="actor-server",
                token=bind.token,
                advertise_host=bind.advertise_host,
                protocol=LingeringProtocol if linger else None,
            )
        except BaseException:
            threads.stop()
            raise
        return cls(server, workers, threads)

    def close(self, timeout: float = 5.0) -> None:
        if self._workers.inside():
            raise PlatformError("a listener cannot be closed by one of its own calls: it waits for them")
        deadline = time.monotonic() + timeout
        self._workers.close(timeout)
        self._server.stop(max(deadline - time.monotonic(), 1.5))  # which is what cutting off takes at most
        self._threads.stop(max(deadline - time.monotonic(), 0.1))
