"""Sender: one thread a channel, that turns whatever is pending into as few requests as it can."""

from __future__ import annotations

import contextlib
import math
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from iris_actor.http.flight import Flight, Pending
from iris_api.errors import Lost, NotSent, TransportError
from iris_api.rpc.http import HttpPool
from iris_api.threads import get_thread_registry

__all__ = ["Pending", "Sender"]

_PATIENCE: Final = 0.002  # seconds without a reply, after which the next request does not wait any longer
_MAX_WAIT: Final = 0.05  # seconds that a call waits for others at most
_MAX_FLIGHTS: Final = 128  # requests under way at once; each is a connection
_MAX_CALLS: Final = 2048  # of one request
_MAX_BYTES: Final = 4 * 1024 * 1024  # of one request, unless a single call is larger
_FULL: Final = 256  # calls that wait: worth being sent by whoever adds one more
_SMALL: Final = 64 * 1024  # bytes that a connection takes without blocking
_MAX_AHEAD: Final = 16  # requests sent so, that the thread has not seen
_IDLE: Final = 10.0  # seconds after which the thread ends


class Sender:
    """Calls queue while a request is under way, and become one request when it ends. When replies stop
    coming, or too slowly, the queue goes out on a further connection: a slow call holds nobody back."""

    def __init__(self, pool: HttpPool) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._queue: deque[Pending] = deque()
        self._running = False
        self._closed = False
        self._sent: list[Flight] = []  # by callers
        self._ahead = 0  # requests that callers send or have sent, and the thread has not taken over
        self._wake: socket.socket | None = None  # set while the thread sleeps and nothing is queued
        self._bell: socket.socket | None = None  # set while the thread runs

    def submit(self, call: Pending) -> None:
        """Queue a call. Does not block; the thread is started when needed."""
        with self._lock:
            closed, running = self._closed, self._running
            if not closed:
                self._queue.append(call)
                self._running = True
                if running:
                    self._rouse()
        if closed:
            call.fail(NotSent(f"{call.what}: this channel is closed"))
        elif not running:
            self._start()
        elif len(self._queue) >= _FULL:
            self._send_from_here()

    def _send_from_here(self) -> None:
        """A loop that fires calls keeps the interpreter to itself: were all left to the thread, the server
        would wait for it. Only where that does not block: small calls, on a connection that is there."""
        with self._lock:
            if self._ahead >= _MAX_AHEAD or not self._pool.has_idle:
                return
            calls = self.take(_SMALL)
            if not calls:
                return
            self._ahead += 1
        try:
            flight = Flight(self._pool, calls)
        except BaseException as error:
            with self._lock:
                self._ahead -= 1
            if not isinstance(error, TransportError):  # that is told to the calls by their flight
                self.fail(calls, f"its sending was broken off by {type(error).__name__}")
                raise
        else:
            with self._lock:
                self._sent.append(flight)
            self.interrupt()

    def sent_elsewhere(self) -> list[Flight]:
        """The requests that callers have sent since the last time, for the thread to follow."""
        with self._lock:
            flights, self._sent = self._sent, []
            self._ahead -= len(flights)
            return flights

    def close(self) -> None:
        """Fail what is pending: with NotSent what is queued, with Lost what is under way. Idempotent."""
        self._closed = True
        self.interrupt()

    def _start(self) -> None:
        try:
            threads = get_thread_registry().shared.container  # the channel is the process's
            threads.spawn(_Run(self, self._pool), f"sender-{self._pool.address}", on_stop=self.interrupt)
        except RuntimeError as error:  # the registry's container is stopped
            with self._lock:
                self._running = False
            self.fail_queued(str(error))

    def interrupt(self) -> None:
        """Have the thread look at once whether there is something else to do, or it shall stop."""
        with self._lock:
            self._wake = self._bell
            self._rouse()

    def begin(self, bell: socket.socket) -> None:
        with self._lock:
            self._bell = bell

    def _rouse(self) -> None:
        wake, self._wake = self._wake, None
        if wake is not None:
            with contextlib.suppress(OSError):  # full: it is awake anyway
                wake.send(b"x")

    def sleep_on(self, wake: socket.socket) -> bool:
        """Have `submit` write to `wake`; False if there is something to do already."""
        with self._lock:
            if self._queue or self._closed:
                return False
            self._wake = wake
            return True

    def awake(self) -> None:
        with self._lock:
            self._wake = None

    def leave(self) -> bool:
        """True if the thread may end: nothing is queued, and the next submit starts another one."""
        with self._lock:
            if self._queue or self._ahead:
                return False
            self._running = False
            self._bell = self._wake = None
            return True

    def oldest(self) -> float:
        """When the call that waits longest was queued; infinity when none waits."""
        try:
            return self._queue[0].queued
        except IndexError:
            return math.inf

    def take(self, most_bytes: int = _MAX_BYTES) -> list[Pending]:
        """The next request's calls; those that were cancelled meanwhile are left out."""
        calls: list[Pending] = []
        size = 0
        while self._queue and len(calls) < _MAX_CALLS:
            size += len(self._queue[0].data)
            if size > most_bytes and (calls or most_bytes < _MAX_BYTES):
                break
            call = self._queue.popleft()
            if call.wanted is None or call.wanted():
                calls.append(call)
        return calls

    def fail(self, calls: Sequence[Pending], why: str) -> None:
        """Some of it may have been sent."""
        for call in calls:
            call.fail(Lost(f"{call.what}: {why}"))

    def fail_queued(self, why: str) -> None:
        while self._queue:
            call = self._queue.popleft()
            if call.wanted is None or call.wanted():
                call.fail(NotSent(f"{call.what}: {why}"))

    @property
    def closed(self) -> bool:
        return self._closed


class _Run:
    """One life of the sender's thread."""

    def __init__(self, sender: Sender, pool: HttpPool) -> None:
        self._sender = sender
        self._pool = pool
        self._flights: set[Flight] = set()
        self._progress = 0.0  # when the last reply came
        self._expiry = math.inf  # no deadline of a call is earlier
        self._left = False
        self._busy = time.monotonic()  # when there last was anything to do

    def __call__(self, stop: threading.Event) -> None:
        inside, outside = socket.socketpair()
        with inside, outside, selectors.DefaultSelector() as selector:
            inside.setblocking(False)
            outside.setblocking(False)
            selector.register(inside, selectors.EVENT_READ)
            self._sender.begin(outside)
            try:
                while not stop.is_set() and not self._sender.closed:
                    self._take_over(selector)
                    self._send(selector)
                    if self._may_end():
                        self._left = True
                        return
                    self._wait(selector, inside, outside)
                    self._expire(selector)
            finally:
                if not self._left:
                    self._give_up(selector)

    def _take_over(self, selector: selectors.BaseSelector) -> None:
        for flight in self._sender.sent_elsewhere():
            self._follow(selector, flight)

    def _follow(self, selector: selectors.BaseSelector, flight: Flight) -> None:
        self._expiry = min(self._expiry, *(call.deadline for call in flight.calls.values()))
        self._flights.add(flight)
        self._progress = time.monotonic()
        selector.register(flight.connection.sock, selectors.EVENT_READ, flight)

    def _send(self, selector: selectors.BaseSelector) -> None:
        while self._is_due(time.monotonic()):
            calls = self._sender.take()
            if not calls:
                return
            try:
                flight = Flight(self._pool, calls)
            except TransportError:  # told to the calls by their flight
                continue
            except Exception as error:  # this thread is everybody's
                self._sender.fail(calls, f"it cannot be sent: {type(error).__name__}: {error}")
                continue
            self._follow(selector, flight)

    def _is_due(self, now: float) -> bool:
        oldest = self._sender.oldest()
        if not self._flights:
            return oldest is not math.inf
        return len(self._flights) < _MAX_FLIGHTS and now >= self._due(oldest)

    def _due(self, oldest: float) -> float:
        return min(max(self._progress, oldest) + _PATIENCE, oldest + _MAX_WAIT)

    def _wait(self, selector: selectors.BaseSelector, inside: socket.socket, outside: socket.socket) -> None:
        asleep = self._sender.sleep_on(outside)
        for key, _ in selector.select(self._pause(asleep)):
            flight = key.data
            if flight is None:
                inside.recv(4096)
                continue
            flight.receive()
            self._progress = time.monotonic()
            if flight.done:
                self._flights.discard(flight)
                selector.unregister(key.fileobj)
        if asleep:
            self._sender.awake()

    def _pause(self, asleep: bool) -> float:
        now = time.monotonic()
        until = min(self._expiry, self._busy + _IDLE) if not self._flights else self._expiry
        if not asleep and len(self._flights) < _MAX_FLIGHTS:
            until = min(until, self._due(self._sender.oldest()))
        return max(min(until - now, 60.0), 0.0)

    def _may_end(self) -> bool:
        now = time.monotonic()
        if self._flights or self._sender.oldest() is not math.inf:
            self._busy = now
            return False
        return now - self._busy >= _IDLE and self._sender.leave()

    def _expire(self, selector: selectors.BaseSelector) -> None:
        now = time.monotonic()
        if now < self._expiry:
            return
        self._expiry = math.inf
        for flight in list(self._flights):
            for call in [call for call in flight.calls.values() if call.deadline <= now]:
                del flight.calls[call.id]
                call.expire(now, sent=True)
            if not flight.calls:
                self._drop(selector, flight, Lost("nobody waits any more"))
            else:
                self._expiry = min(self._expiry, *(call.deadline for call in flight.calls.values()))

    def _drop(self, selector: selectors.BaseSelector, flight: Flight, error: TransportError) -> None:
        selector.unregister(flight.connection.sock)
        self._flights.discard(flight)
        flight.abandon(error)

    def _give_up(self, selector: selectors.BaseSelector) -> None:
        why = "this channel was closed" if self._sender.closed else "this process is stopping its threads"
        self._left = True
        self._drop_all(selector, why)
        while not self._sender.leave():
            self._sender.fail_queued(why)
            self._drop_all(selector, why)

    def _drop_all(self, selector: selectors.BaseSelector, why: str) -> None:
        self._take_over(selector)
        for flight in list(self._flights):
            self._drop(selector, flight, Lost(f"{self._pool.address}: {why} during the call"))
