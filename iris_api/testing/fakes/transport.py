"""MemoryTransport: calls within one process, over nothing but its memory."""

from __future__ import annotations

import contextlib
import contextvars
import itertools
import logging
import threading
import time
from concurrent.futures import Future
from functools import partial
from typing import Final

from attrs import evolve

from iris_api.credentials import Token
from iris_api.errors import DeadlineExceeded, Lost, NotSent, PlatformError, Refused
from iris_api.testing.fakes._deadlines import Deadlines
from iris_api.threads import get_thread_registry
from iris_api.transport import Bind, Channel, Deliver, Handler, Listener, Reply, Request, Transport

__all__ = ["MemoryTransport"]

_log = logging.getLogger("iris.testing")


class MemoryTransport(Transport):
    """A verified fake: it keeps every rule of the kit but those of several processes.

    Addresses are the process's, as ports are a machine's: each MemoryTransport reaches the listeners of all.
    What is sent and answered is copied, as if it had travelled.
    """

    schemes = ("memory",)

    def listen(self, handler: Handler, bind: Bind) -> Listener:
        return MemoryListener(handler, bind)

    def connect(self, address: str, token: Token | None = None) -> Channel:
        return MemoryChannel(address, token)


class _Ports:
    """Who listens in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: dict[int, MemoryListener] = {}

    def take(self, port: int, listener: MemoryListener) -> int:
        """The port, or a free one for 0. Raises PlatformError for one that is taken."""
        with self._lock:
            picked = port or next(free for free in itertools.count(1) if free not in self._taken)
            if picked in self._taken:
                raise PlatformError(f"cannot listen on memory port {picked}: it is in use")
            self._taken[picked] = listener
        return picked

    def free(self, listener: MemoryListener) -> None:
        with self._lock:
            if self._taken.get(listener.port) is listener:
                del self._taken[listener.port]

    def at(self, address: str) -> MemoryListener | None:
        port = address.rpartition(":")[2]
        with self._lock:
            return self._taken.get(int(port)) if port.isdigit() else None


_ports: Final = _Ports()


class Call:
    """One call on its way. The first outcome counts: a reply, its deadline, or the end of the listener."""

    def __init__(self, request: Request, token: Token | None, address: str, deliver: Deliver) -> None:
        self.request = request
        self.token = token
        self.what = f"{address}: {request.actor}.{request.method}"
        self.deadline = time.monotonic() + request.timeout
        self.begun = False
        self.ticket = -1  # of its deadline
        self._deliver = deliver
        self._lock = threading.Lock()
        self._settled = False

    def begin(self) -> bool:
        """False if nobody waits for it any more."""
        with self._lock:
            self.begun = not self._settled
            return self.begun

    def settle(self, reply: Reply | None, error: BaseException | None = None) -> None:
        with self._lock:
            if self._settled:
                return
            self._settled = True
        self._deliver(reply, error)

    def expire(self) -> None:
        self.settle(None, DeadlineExceeded(f"{self.what}: no reply within {self.request.timeout:.2f} s"))

    def cut_off(self) -> None:
        if self.begun:
            self.settle(None, Lost(f"{self.what}: the listener was closed during the call"))
        else:
            self.settle(None, Refused("unavailable", f"{self.what}: the listener is closed"))


class MemoryListener(Listener):
    """Runs handlers on threads of its own, in copies of the context that it was made in."""

    def __init__(self, handler: Handler, bind: Bind) -> None:
        self._handler = handler
        self._token = bind.token
        self._context = contextvars.copy_context()
        self._open: set[Call] = set()
        self._quiet = threading.Condition()
        self._closed = False
        self.port = bind.port
        self._threads = (bind.threads or get_thread_registry().container).child("memory-listener")
        self._executor = self._threads.spawn_executor(bind.max_concurrency, "memory-call")
        self._deadlines: Deadlines[Call] = Deadlines(self._expire)
        self._threads.spawn(self._watch, "memory-deadlines", on_stop=self._deadlines.wake)
        try:
            self.port = _ports.take(bind.port, self)
        except PlatformError:
            self._threads.stop()
            raise
        self.address = f"memory://{bind.advertise_host or bind.host}:{self.port}"

    def take(self, call: Call) -> None:
        """Have it run; it is told at once if it will not."""
        if self._token is not None and not (
            call.token is not None and self._token.matches(call.token.reveal().encode())
        ):
            call.settle(None, Refused("unauthenticated", f"{call.what}: wrong token"))
            return
        with self._quiet:
            if not self._closed:
                self._open.add(call)
                call.ticket = self._deadlines.add(call.deadline, call)
                with contextlib.suppress(RuntimeError):  # whoever owns the threads is stopping them
                    self._context.copy().run(self._executor.submit, self._run, call)
                    return
        call.cut_off()

    def close(self, timeout: float = 5.0) -> None:
        deadline = time.monotonic() + timeout
        with self._quiet:
            self._closed = True
            self._quiet.wait_for(lambda: not self._open, timeout)
        self._threads.stop(max(deadline - time.monotonic(), 0.1))

    def _watch(self, stop: threading.Event) -> None:
        """Until the listener is closed, or its threads are stopped by their owner."""
        self._deadlines.run(stop)
        with self._quiet:
            self._closed = True
            left = list(self._open)
        _ports.free(self)
        for call in left:
            call.cut_off()

    def _run(self, call: Call) -> None:
        if call.begin():
            request = evolve(call.request, timeout=max(call.deadline - time.monotonic(), 0.0))
            try:
                reply = self._handler(request)
                call.settle(Reply(bytes(reply.head), _copied(reply.buffers), reply.failure))
            except Refused as refusal:
                call.settle(None, refusal)
            except BaseException as error:
                _log.error("a handler failed", exc_info=error)
                call.settle(None, Lost(f"{call.what}: the server failed: {type(error).__name__}: {error}"))
        self._leave(call)

    def _expire(self, call: Call) -> None:
        call.expire()
        if not call.begun:
            self._leave(call)

    def _leave(self, call: Call) -> None:
        self._deadlines.discard(call.ticket)
        with self._quiet:
            self._open.discard(call)
            self._quiet.notify_all()


class MemoryChannel(Channel):
    """It holds no connection: whoever listens at the address when a call is made has it."""

    def __init__(self, address: str, token: Token | None) -> None:
        self.address = address
        self._token = token
        self._lock = threading.Lock()
        self._pending: set[Call] = set()
        self._closed = False

    def submit(self, request: Request) -> Future[Reply]:
        future: Future[Reply] = Future()
        future.set_running_or_notify_cancel()
        self.post(request, partial(_resolve, future))
        return future

    def post(self, request: Request, deliver: Deliver) -> None:
        sent = evolve(request, buffers=_copied(request.buffers))
        call = Call(sent, self._token, self.address, lambda *outcome: self._done(call, deliver, *outcome))
        with self._lock:
            if not self._closed:
                self._pending.add(call)
        listener = _ports.at(self.address)
        if self._closed:
            call.settle(None, NotSent(f"{call.what}: this channel is closed"))
        elif listener is None:
            call.settle(None, NotSent(f"{call.what}: nobody listens"))
        else:
            listener.take(call)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            pending = list(self._pending)
        for call in pending:
            call.settle(None, Lost(f"{call.what}: this channel was closed during the call"))

    def _done(self, call: Call, deliver: Deliver, reply: Reply | None, error: BaseException | None) -> None:
        with self._lock:
            self._pending.discard(call)
        deliver(reply, error)


def _copied(buffers: tuple[memoryview, ...]) -> tuple[memoryview, ...]:
    return tuple(memoryview(bytearray(buffer)) for buffer in buffers)


def _resolve(future: Future[Reply], reply: Reply | None, error: BaseException | None) -> None:
    if error is not None:
        future.set_exception(error)
    elif reply is not None:
        future.set_result(reply)
