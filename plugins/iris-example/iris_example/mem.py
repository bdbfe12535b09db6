"""The transport `mem`: calls within one process, over nothing but its memory."""

from __future__ import annotations

import contextvars
import itertools
import threading
import time
from concurrent.futures import Future, InvalidStateError, wait

from attrs import evolve, frozen

from iris_api.context import Context
from iris_api.credentials import Token
from iris_api.errors import DeadlineExceeded, Lost, NotSent, PlatformError, Refused
from iris_api.hookspecs import hookimpl
from iris_api.provider import Provider
from iris_api.threads import get_thread_registry
from iris_api.transport import Bind, Channel, Handler, Listener, Reply, Request, Transport

__all__ = ["MemConfig", "MemTransport", "iris_transport"]

_lock = threading.Lock()
_listeners: dict[int, MemListener] = {}  # of this process, by port


@frozen(kw_only=True)
class MemConfig:
    """`delay`: seconds that each call is on its way, to see how a program takes a slow network."""

    delay: float = 0.0


@hookimpl
def iris_transport() -> Provider[MemConfig, Transport]:
    return Provider(MemConfig, _create, "calls within one process", "iris_example.mem_conformance")


def _create(config: MemConfig, context: Context) -> Transport:
    return MemTransport(config.delay)


class MemTransport(Transport):
    schemes = ("mem",)

    def __init__(self, delay: float = 0.0) -> None:
        self._delay = delay

    def listen(self, handler: Handler, bind: Bind) -> Listener:
        return MemListener(handler, bind, self._delay)

    def connect(self, address: str, token: Token | None = None) -> Channel:
        return MemChannel(address, token)


class MemListener(Listener):
    """A call is a future here, and the first to settle it wins: the handler, the deadline, or a close."""

    def __init__(self, handler: Handler, bind: Bind, delay: float) -> None:
        self._handler, self._token, self._delay = handler, bind.token, delay
        self._context = contextvars.copy_context()  # handlers run in copies of it
        self._changed = threading.Condition()
        self._open: dict[Future[Reply], float] = {}  # with its deadline
        self._closed = False
        with _lock:
            self.port = bind.port or next(port for port in itertools.count(1) if port not in _listeners)
            if self.port in _listeners:
                raise PlatformError(f"cannot listen on mem port {self.port}: it is in use")
            _listeners[self.port] = self
        self.address = f"mem://{bind.advertise_host or bind.host}:{self.port}"
        self._threads = (bind.threads or get_thread_registry().container).child("mem")
        self._handlers = self._threads.spawn_executor(bind.max_concurrency, "mem-call")
        self._threads.spawn(self._watch_deadlines, "mem-deadlines", on_stop=self._wake)

    def take(self, request: Request, token: Token | None, future: Future[Reply]) -> None:
        """Have the handler run it. Raises Refused."""
        if self._token and not (token and self._token.matches(token.reveal().encode())):
            raise Refused("unauthenticated", f"{self.address}: wrong token")
        with self._changed:
            if self._closed:
                raise Refused("unavailable", f"{self.address}: the listener is closed")
            try:  # under the lock, for a stop of the threads may come before `_closed` is set
                self._context.copy().run(self._handlers.submit, self._run, request, future)
            except RuntimeError as error:
                raise Refused("unavailable", f"{self.address}: the listener is closing") from error
            self._open[future] = time.monotonic() + request.timeout
            self._changed.notify()
        future.add_done_callback(self._forget)

    def close(self, timeout: float = 5.0) -> None:
        until = time.monotonic() + timeout
        with self._changed:
            self._closed = True
            running = list(self._open)
        wait(running, timeout)
        self._threads.stop(max(until - time.monotonic(), 0.1))

    def _run(self, request: Request, future: Future[Reply]) -> None:
        time.sleep(self._delay)
        if future.done():  # too late: nobody waits any more
            return
        try:
            reply = self._handler(request)
            _settle(future, evolve(reply, head=bytes(reply.head), buffers=_copied(reply.buffers)))
        except Refused as refusal:
            _settle(future, refusal)
        except BaseException as error:  # it may have done its work before
            _settle(future, Lost(f"{self.address}: the server failed: {type(error).__name__}: {error}"))

    def _watch_deadlines(self, stop: threading.Event) -> None:
        while not stop.is_set():
            with self._changed:
                now = time.monotonic()
                late = [future for future, deadline in self._open.items() if deadline <= now]
                if not late:
                    self._changed.wait(min(self._open.values()) - now if self._open else None)
            for future in late:
                _settle(future, DeadlineExceeded(f"{self.address}: no reply within the deadline"))
        self._end()

    def _end(self) -> None:
        with _lock:
            if _listeners.get(self.port) is self:
                del _listeners[self.port]
        with self._changed:
            self._closed = True
            left = list(self._open)
        for future in left:
            _settle(future, Lost(f"{self.address}: the listener was closed during the call"))

    def _forget(self, future: Future[Reply]) -> None:
        with self._changed:
            self._open.pop(future, None)

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify()


class MemChannel(Channel):
    """It holds no connection: whoever listens at the address when a call is made has it."""

    def __init__(self, address: str, token: Token | None) -> None:
        self._address, self._token = address, token
        self._port = int(address.rpartition(":")[2])
        self._pending: set[Future[Reply]] = set()
        self._closed = False

    def submit(self, request: Request) -> Future[Reply]:
        future: Future[Reply] = Future()
        future.set_running_or_notify_cancel()
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        listener = _listeners.get(self._port)
        try:
            if self._closed:
                raise NotSent(f"{self._address}: this channel is closed")
            if listener is None:
                raise NotSent(f"{self._address}: nobody listens")
            listener.take(evolve(request, buffers=_copied(request.buffers)), self._token, future)
        except (NotSent, Refused) as error:
            _settle(future, error)
        return future

    def close(self) -> None:
        self._closed = True
        for future in tuple(self._pending):
            _settle(future, Lost(f"{self._address}: this channel was closed during the call"))


def _copied(buffers: tuple[memoryview, ...]) -> tuple[memoryview, ...]:
    """As if they had travelled: either side may go on to change its arrays."""
    return tuple(memoryview(bytearray(buffer)) for buffer in buffers)


def _settle(future: Future[Reply], outcome: Reply | Exception) -> None:
    try:
        if isinstance(outcome, Reply):
            future.set_result(outcome)
        else:
            future.set_exception(outcome)
    except InvalidStateError:
        return  # it was settled before
