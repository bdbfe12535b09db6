"""What the listeners of these tests serve, at the level of bytes."""

from __future__ import annotations

import threading

from iris_api.errors import Refused
from iris_api.serialize import dumps, loads
from iris_api.transport import RemoteFailure, Reply, Request


class Handlers:
    def __init__(self) -> None:
        self.seen: list[Request] = []
        self.release = threading.Event()
        self.entered = threading.Semaphore(0)
        self.running = self.most = 0
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Reply:
        self.seen.append(request)
        method = getattr(self, f"on_{request.method}", None)
        if method is None:
            raise Refused("unimplemented", f"no {request.method}")
        reply: Reply = method(request)
        return reply

    def on_echo(self, request: Request) -> Reply:
        return Reply(request.head, request.buffers)

    def on_wait(self, request: Request) -> Reply:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        self.entered.release()
        assert self.release.wait(20)
        with self._lock:
            self.running -= 1
        return Reply(b"waited")

    def on_size(self, request: Request) -> Reply:
        return Reply(bytes(int(request.head)))

    def on_fail(self, request: Request) -> Reply:
        return Reply(failure=RemoteFailure("a.Error", "message", "trace"))

    def on_bug(self, request: Request) -> Reply:
        raise ZeroDivisionError("in the handler")

    def on_call(self, request: Request) -> Reply:
        args, kwargs = loads(request.head, request.buffers)
        return Reply(*dumps({"args": list(args), "kwargs": kwargs}))

    def on_lock(self, request: Request) -> Reply:
        return Reply(*dumps(threading.Event))
