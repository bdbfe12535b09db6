"""Frozen: written for version 1 of the plugin interface, and never to be changed.

Calls within one process, over nothing but its memory.
"""

from __future__ import annotations

import contextvars
import itertools
import logging
import threading
import time
from concurrent.futures import Future

from attrs import evolve, frozen
from iris_api.context import Context
from iris_api.credentials import Token
from iris_api.errors import DeadlineExceeded, Lost, NotSent, PlatformError, Refused
from iris_api.hookspecs import hookimpl
from iris_api.provider import Provider
from iris_api.threads import get_thread_registry
from iris_api.transport import Bind, Channel, Handler, Listener, Reply, Request, Transport

_log = logging.getLogger(__name__)
_lock = threading.Lock()
_listening: dict[int, V1Listener] = {}  # in this process, by port


@frozen
class V1Config:
    """Nothing to configure."""


class _Call:
    """One call on its way. The first outcome counts: a reply, an error, or its deadline."""

    def __init__(self, request: Request) -> None:
        self.request = evolve(request, buffers=_copied(request.buffers))
        self.future: Future[Reply] = Future()
        self.future.set_running_or_notify_cancel()
        self.begun = False
        self._deadline = time.monotonic() + request.timeout
        self._lock = threading.Lock()
        late = DeadlineExceeded(f"{request.actor}.{request.method}: no reply within {request.timeout:g} s")
        self._timer = threading.Timer(request.timeout, self.settle, [late])
        self._timer.daemon = True
        self._timer.start()

    def left(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def settle(self, outcome: Reply | Exception) -> None:
        with self._lock:
            if self.future.done():
                return
            self._timer.cancel()
            if isinstance(outcome, Reply):
                self.future.set_result(outcome)
            else:
                self.future.set_exception(outcome)


class V1Listener(Listener):
    """Runs handlers on threads of its own, each in a copy of the context that it was made in."""

    def __init__(self, handler: Handler, bind: Bind) -> None:
        self._handler, self._token = handler, bind.token
        self._context = contextvars.copy_context()
        self._quiet = threading.Condition()
        self._open: set[_Call] = set()
        self._closed = False
        with _lock:
            self.port = bind.port or next(port for port in itertools.count(1) if port not in _listening)
            if self.port in _listening:
                raise PlatformError(f"port {self.port} of this process is in use")
            _listening[self.port] = self
        self.address = f"v1://{bind.advertise_host or bind.host}:{self.port}"
        self._threads = (bind.threads or get_thread_registry().container).child(self.address)
        self._executor = self._threads.spawn_executor(bind.max_concurrency, "v1-call")

    def take(self, call: _Call, token: Token | None) -> None:
        if self._token is not None and (token is None or not self._token.matches(token.reveal().encode())):
            call.settle(Refused("unauthenticated", "the token is another one"))
            return
        with self._quiet:
            if self._closed:
                call.settle(Refused("unavailable", f"{self.address} is closing"))
                return
            self._open.add(call)
            self._context.copy().run(self._executor.submit, self._run, call)

    def close(self, timeout: float = 5.0) -> None:
        until = time.monotonic() + timeout
        with self._quiet:
            self._closed = True
            self._quiet.wait_for(lambda: not self._open, timeout)
            left = list(self._open)
        with _lock:
            if _listening.get(self.port) is self:
                del _listening[self.port]
        for call in left:
            gone = f"{self.address} was closed"
            call.settle(Lost(gone) if call.begun else Refused("unavailable", gone))
        self._threads.stop(max(0.1, until - time.monotonic()))

    def _run(self, call: _Call) -> None:
        try:
            if not call.future.done():  # nobody waits any more
                call.begun = True
                call.settle(self._reply(call))
        except Refused as refused:
            call.settle(refused)
        except Exception as error:  # it may have done its work
            _log.exception("a handler failed")
            call.settle(Lost(f"the handler failed: {type(error).__name__}: {error}"))
        with self._quiet:
            self._open.discard(call)
            self._quiet.notify_all()

    def _reply(self, call: _Call) -> Reply:
        reply = self._handler(evolve(call.request, timeout=call.left()))
        return Reply(bytes(reply.head), _copied(reply.buffers), reply.failure)


class V1Channel(Channel):
    """It holds no connection: whoever listens at the address when a call is made has it."""

    def __init__(self, address: str, token: Token | None) -> None:
        self._address, self._token = address, token
        self._lock = threading.Lock()
        self._pending: set[_Call] = set()
        self._closed = False

    def submit(self, request: Request) -> Future[Reply]:
        call = _Call(request)
        with self._lock:
            closed = self._closed
            self._pending.add(call)
        call.future.add_done_callback(lambda _: self._forget(call))
        listener = None if closed else _at(self._address)
        if listener is None:
            why = "the channel is closed" if closed else "nobody listens"
            call.settle(NotSent(f"{self._address}: {why}"))
        else:
            listener.take(call, self._token)
        return call.future

    def close(self) -> None:
        with self._lock:
            self._closed = True
            pending = list(self._pending)
        for call in pending:
            call.settle(Lost(f"{self._address}: the channel was closed during the call"))

    def _forget(self, call: _Call) -> None:
        with self._lock:
            self._pending.discard(call)


class V1Transport(Transport):
    schemes = ("v1",)

    def listen(self, handler: Handler, bind: Bind) -> Listener:
        return V1Listener(handler, bind)

    def connect(self, address: str, token: Token | None = None) -> Channel:
        return V1Channel(address, token)


def _at(address: str) -> V1Listener | None:
    port = address.rpartition(":")[2]
    with _lock:
        return _listening.get(int(port)) if port.isdigit() else None


def _copied(buffers: tuple[memoryview, ...]) -> tuple[memoryview, ...]:
    """As if they had travelled: neither end sees what the other does to its own."""
    return tuple(memoryview(bytearray(buffer)) for buffer in buffers)


def _create(config: V1Config, context: Context) -> Transport:
    return V1Transport()


@hookimpl
def iris_transport() -> Provider[V1Config, Transport]:
    summary = "calls within one process"
    return Provider(V1Config, _create, summary)
