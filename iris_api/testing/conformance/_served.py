"""What the listeners of the transport rules serve, and how these send calls."""

from __future__ import annotations

import contextvars
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from pickle import dumps
from typing import Any, Final, Protocol

import cloudpickle
import pytest

from iris_api.credentials import Token
from iris_api.errors import Refused
from iris_api.testing._child import PROGRAM, Orders
from iris_api.testing.waiting import wait_for_condition
from iris_api.transport import Channel, Handler, Listener, RemoteFailure, Reply, Request, Transport

__all__ = [
    "VARIABLE",
    "Caller",
    "Connect",
    "Elsewhere",
    "Listen",
    "Service",
    "both_ways",
    "request",
]

_TIMEOUT: Final = 20.0  # seconds: of calls that are not about their deadline
_BYTES_A_SECOND: Final = 2**24  # that much there and back, on a busy machine

VARIABLE: Final[contextvars.ContextVar[str]] = contextvars.ContextVar("iris_conformance", default="nobody's")

both_ways: Final = pytest.mark.parametrize("way", ["call", "submit"])


class Listen(Protocol):
    def __call__(self, handler: Handler | None = None, **bind: Any) -> Listener: ...


class Connect(Protocol):
    def __call__(self, address: str) -> Channel: ...


def request(
    method: str, head: bytes = b"", buffers: tuple[memoryview, ...] = (), timeout: float = _TIMEOUT
) -> Request:
    return Request("service", method, head, buffers, timeout=timeout)


class Service:
    """A handler: the method's name says what it does. `entered` counts the calls of `wait` that have begun;
    they end once `release` is set."""

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self.seen: list[Request] = []
        self.entered = threading.Semaphore(0)
        self.release = threading.Event()
        self.running = self.most = 0
        self.lent = bytearray()
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Reply:
        with self._lock:
            self.seen.append(request)
        reply: Reply = getattr(self, f"_{request.method}")(request)
        return reply

    def begun(self, calls: int = 1) -> None:
        """Wait until so many further calls of `wait` have begun."""
        for _ in range(calls):
            begun = self.entered.acquire(timeout=self.patience)
            assert begun, f"{calls} calls were sent, and not all have begun"

    def count(self, method: str) -> int:
        with self._lock:
            return sum(request.method == method for request in self.seen)

    def _echo(self, request: Request) -> Reply:
        return Reply(request.head, request.buffers)

    def _wait(self, request: Request) -> Reply:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        self.entered.release()
        self.release.wait(2 * self.patience)
        with self._lock:
            self.running -= 1
        return Reply(request.head, request.buffers)

    def _lend(self, request: Request) -> Reply:
        return Reply(b"", (memoryview(self.lent),))

    def _fail(self, request: Request) -> Reply:
        return Reply(b"pickle", failure=RemoteFailure("a.Error", "its message", "its traceback"))

    def _refuse(self, request: Request) -> Reply:
        raise Refused(request.head.decode(), "not for you")

    def _break(self, request: Request) -> Reply:
        raise ZeroDivisionError("in the handler")

    def _context(self, request: Request) -> Reply:
        found = VARIABLE.get()
        VARIABLE.set("a handler's")
        return Reply(found.encode())


class Caller:
    """Begins a call either way: with `submit`, or with `call` in a thread of its own. `prompt` and `patience`
    are seconds, of the fixtures."""

    def __init__(self, executor: Executor, prompt: float, patience: float) -> None:
        self._executor = executor
        self.prompt = prompt
        self.patience = patience

    def begin(self, way: str, channel: Channel, request: Request) -> Future[Reply]:
        if way == "submit":
            return channel.submit(request)
        return self._executor.submit(channel.call, request)

    def do(self, way: str, channel: Channel, request: Request) -> Reply:
        """The reply, or what the call raises; the test fails when neither comes."""
        return self.begin(way, channel, request).result(self._most(request))

    def error(self, way: str, channel: Channel, request: Request) -> BaseException | None:
        return self.begin(way, channel, request).exception(self._most(request))

    def aside(self, work: Callable[[], object]) -> Future[object]:
        return self._executor.submit(work)

    def _most(self, request: Request) -> float:
        size = len(request.head) + sum(buffer.nbytes for buffer in request.buffers)
        return min(request.timeout, self.patience) + self.prompt + size / _BYTES_A_SECOND


class Elsewhere:
    """A listener in another process. `marks` counts the calls of `hang` that have begun there."""

    def __init__(
        self, make: Callable[[], Transport], host: str, port: int, token: Token, folder: Path
    ) -> None:
        folder.mkdir()
        self._folder = folder
        with (folder / "output").open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=output, stderr=output
            )
        orders = Orders(cloudpickle.dumps(make), host, port, token.reveal(), folder)
        assert self._process.stdin is not None
        self._process.stdin.write(dumps(sys.path) + dumps(orders))
        self._process.stdin.flush()
        found, self.address = wait_for_condition(self._up, _TIMEOUT, message="a listener in another process")
        self.port = int(found)
        self.pid = self._process.pid

    def marks(self) -> int:
        marks = self._folder / "marks"
        return len(marks.read_text()) if marks.exists() else 0

    def kill(self) -> None:
        """With SIGKILL, so that it has no time for anything. Idempotent."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _up(self) -> list[str]:
        if self._process.poll() is not None:
            output = (self._folder / "output").read_text(errors="replace")
            pytest.fail(f"the process that should listen has ended:\n{output}", pytrace=False)
        address = self._folder / "address"
        return address.read_text().split() if address.exists() else []
