"""Handler threads of a listener: made on demand, fed by a queue, results handed back to the loop in bulk."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from iris_api.errors import Refused
from iris_api.threads import ContainerStopped, ThreadContainer

__all__ = ["Job", "Workers"]

_log = logging.getLogger("iris.actor")
QUEUE_LIMIT: Final = 10_000  # calls that wait; a caller beyond is told to come back later
_PATIENCE: Final = 0.002  # seconds without an end of a call before more threads are made
_EAGER: Final = 2  # threads that are made without waiting: more only help calls that block
_IDLE: Final = 20.0  # seconds after which a thread without work ends


class Job:
    """A call on its way through a thread."""

    __slots__ = ("deliver", "dropped", "outcome", "run", "started")

    def __init__(self, run: Callable[[], Any], deliver: Callable[[Any], None]) -> None:
        self.run = run
        self.deliver = deliver  # called on the loop with what `run` returned, or the exception it raised
        self.dropped = False
        self.started = False
        self.outcome: Any = None

    def drop(self) -> bool:
        """Nobody waits for it any more. True when it certainly has not run and will not."""
        self.dropped = True
        return not self.started


class Workers:
    """At most `limit` threads of `threads`. `submit` is for the loop's thread only.

    Few threads suffice for calls that compute, while calls that wait for one another need a thread
    each: so threads are added as long as calls queue up and none of those that run ends.
    """

    def __init__(self, threads: ThreadContainer, limit: int, name: str) -> None:
        self._threads = threads
        self._limit = limit
        self._name = name
        self._context = contextvars.copy_context()
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._done: deque[Job] = deque()
        self._lock = threading.Lock()
        self._alive = 0
        self._made = 0
        self._idle = 0
        self._open = 0  # calls that are not delivered
        self._running: dict[int, Job] = {}  # by ident of the thread inside its handler
        self._loop: asyncio.AbstractEventLoop | None = None
        self._draining = False
        self._growth: asyncio.TimerHandle | None = None
        self._closed = False
        self._quiet = threading.Condition(self._lock)

    def submit(self, job: Job) -> None:
        """Queue a call. Raises Refused when there are too many, or after `close`."""
        if self._closed:
            raise Refused("unavailable", "this server is stopping")
        waiting = self._jobs.qsize()
        if waiting >= QUEUE_LIMIT:
            raise Refused("resource_exhausted", f"{waiting} calls wait already for {self._limit} threads")
        if self._idle <= waiting:
            self._want_more()
            if not self._alive:
                why = "is stopping" if self._closed else "has no thread to spare"
                raise Refused("unavailable", f"this server {why}")
        self._open += 1
        self._jobs.put(job)

    def close(self, timeout: float) -> bool:
        """Take no more; wait for those that run and wait, then end the threads. True when all is quiet."""
        mine = int(self.inside())
        with self._quiet:
            self._closed = True
            quiet = self._quiet.wait_for(lambda: self._open <= mine or not self._alive, timeout)
        self._wake_all()
        return quiet

    def in_fresh_context(self, function: Callable[[], Any]) -> Any:
        """Run it in a copy of the context that calls run in."""
        return self._context.copy().run(function)

    def wants_threads(self) -> bool:
        """Whether a thread that has nothing to do should come back."""
        return self._closed or not self._jobs.empty()

    def inside(self) -> bool:
        """True when called by a handler."""
        return threading.get_ident() in self._running

    def _want_more(self) -> None:
        if self._alive < min(_EAGER, self._limit):
            self._add(1)
        elif self._alive < self._limit and self._growth is None:
            self._loop = self._loop or asyncio.get_running_loop()
            self._growth = self._loop.call_later(_PATIENCE, self._grow, tuple(self._running.values()))

    def _grow(self, before: tuple[Job, ...]) -> None:
        """Double the threads while all are in the same calls as a while ago; look again as long as calls
        wait. One that is in none, or in another one, is not blocked: it only had no turn."""
        self._growth = None
        waiting = self._jobs.qsize()
        if not waiting or self._closed:
            return
        running = tuple(self._running.values())
        if len(running) >= self._alive and all(job in before for job in running):
            self._add(min(waiting, max(self._alive, 1), self._limit - self._alive))
        self._want_more()

    def _add(self, count: int) -> None:
        self._loop = self._loop or asyncio.get_running_loop()
        for _ in range(count):
            with self._lock:
                self._alive += 1
                self._made += 1
            self._context.copy().run(self._spawn)

    def _spawn(self) -> None:
        try:
            self._threads.spawn(self._work, f"{self._name}-{self._made}", on_stop=self._wake_all)
        except RuntimeError as error:
            with self._lock:
                self._alive -= 1
            if isinstance(error, ContainerStopped):
                self._closed = True
            else:  # the machine has no thread to spare now
                _log.warning("no handler thread could be started: %s", error)

    def _work(self, stop: threading.Event) -> None:
        me = threading.get_ident()
        try:
            while not stop.is_set():
                job = self._next()
                if job is None:
                    return
                self._run(job, me)
                del job
        finally:
            with self._quiet:
                self._alive -= 1
                self._quiet.notify_all()

    def _next(self) -> Job | None:
        try:
            return self._jobs.get_nowait()
        except queue.Empty:
            pass
        with self._lock:
            self._idle += 1
        try:
            return self._jobs.get(timeout=_IDLE)
        except queue.Empty:
            return None
        finally:
            with self._lock:
                self._idle -= 1

    def _run(self, job: Job, me: int) -> None:
        job.started = True  # before the look at `dropped`: see `Job.drop`
        if not job.dropped:
            self._running[me] = job
            try:
                job.outcome = self._context.copy().run(job.run)
            except BaseException as error:
                job.outcome = error
            del self._running[me]
        self._done.append(job)
        if not self._draining:
            self._draining = True
            self._schedule()

    def _schedule(self) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self._drain)
        except RuntimeError:  # the loop is closed: nobody waits any more
            self._done.clear()

    def _drain(self) -> None:
        self._draining = False  # first: what is appended from here on schedules again
        while self._done:
            job = self._done.popleft()
            self._open -= 1
            if not job.dropped:
                job.deliver(job.outcome)
        if self._closed:
            with self._quiet:
                self._quiet.notify_all()

    def _wake_all(self) -> None:
        for _ in range(self._limit):
            self._jobs.put(None)
