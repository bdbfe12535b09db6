"""Tasks to pool workers: who gets what next, and what a lost worker means. No thread of its own:
it moves on whenever something is submitted, a reply comes or the workers change."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, Final

from attrs import define, field

from iris_api.errors import Lost, NotSent, Refused, TransportError
from iris_api.resolver import Endpoint
from iris_api.serialize import Payload
from iris_api.transport import Channel, Reply, Request

__all__ = ["Dispatcher", "Work"]

_DEEPEST: Final = 16  # calls that one worker may hold: hides the round trip of short tasks
_MANY: Final = 32  # tasks that wait, for each worker and each that it may hold
_SHORT: Final = 0.02  # seconds: only while tasks are shorter does one wait behind another
_MEMORY: Final = 0.2  # weight of the last task in what is thought of the next
_UNSENT: Final = frozenset({"unavailable", "resource_exhausted", "aborted", "not_found"})  # may pass


@define(eq=False)
class Work:
    """One task. `tries` counts the workers that were lost under it; `sent` is when it was last given."""

    payload: Payload
    future: Future[Any] = field(factory=Future)
    tries: int = 0
    started: bool = False
    sent: float = 0.0


@define(eq=False)
class _Worker:
    """`held` in the order in which it was given: a worker runs one at a time, the first of these, which is
    the `suspect` once the worker is lost."""

    endpoint: Endpoint
    channel: Channel
    held: list[Work] = field(factory=list)
    suspect: Work | None = None


class Dispatcher:
    """Gives each task to the worker that holds least. Safe from several threads."""

    def __init__(
        self,
        connect: Callable[[Endpoint], Channel],
        decode: Callable[[Reply], Any],
        submit: Callable[[Channel, Request], Future[Reply]],
        *,
        method: str,
        max_retries: int,
        task_timeout: float,
    ) -> None:
        """`submit` does not raise; what goes wrong is the future's."""
        self._connect, self._decode, self._submit = connect, decode, submit
        self._method, self._max_retries, self._task_timeout = method, max_retries, task_timeout
        self._lock = threading.RLock()
        self._idle = threading.Condition(self._lock)
        self._pending: deque[Work] = deque()
        self._workers: dict[str, _Worker] = {}
        self._running: set[Work] = set()
        self._failure: BaseException | None = None
        self._typical = math.inf  # seconds that a task takes, of late
        self._stuck: set[str] = set()  # uids of workers that are busy with a task nobody waits for

    def submit(self, work: Work) -> None:
        """Queue a task. After `fail_all` it fails at once."""
        with self._lock:
            if self._failure is None:
                self._pending.append(work)
            else:
                work.future.set_exception(self._failure)
        self._pump()

    def set_workers(self, endpoints: tuple[Endpoint, ...]) -> None:
        """These are the workers now. What a vanished one holds is settled by its connection."""
        with self._lock:
            wanted = {endpoint.uid: endpoint for endpoint in endpoints}
            gone = [self._workers.pop(uid) for uid in list(self._workers) if uid not in wanted]
            for uid, endpoint in wanted.items():
                if uid not in self._workers and uid not in self._stuck:
                    self._workers[uid] = _Worker(endpoint, self._connect(endpoint))
        for worker in gone:
            worker.channel.close()
        self._pump()

    @property
    def workers(self) -> int:
        return len(self._workers)

    @property
    def stuck(self) -> int:
        """Workers that are given nothing more, since a task there has outlived its timeout."""
        return len(self._stuck)

    @property
    def unfinished(self) -> int:
        with self._lock:
            return len(self._pending) + len(self._running)

    def wait_idle(self, timeout: float | None = None) -> bool:
        """Block until nothing is pending or running; False on expiry."""
        with self._idle:
            return self._idle.wait_for(lambda: not (self._pending or self._running), timeout)

    def cancel_pending(self) -> None:
        """Cancel what has never been given to a worker."""
        with self._lock:
            fresh = [work for work in self._pending if not work.started]
            self._pending = deque(work for work in self._pending if work.started)
            self._idle.notify_all()
        for work in fresh:
            work.future.cancel()

    def fail_all(self, error: BaseException) -> None:
        """No worker will come any more: everything unfinished fails with `error`."""
        with self._lock:
            self._failure = self._failure or error
            doomed = [*self._pending, *self._running]
            self._pending.clear()
            self._running.clear()
            self._idle.notify_all()
        for work in doomed:
            _settle(work.future, error=error)

    def tell_workers(self, method: str, payload: Payload, timeout: float) -> None:
        """Call `method` of every worker, and wait (bounded) for the answers, whatever they are."""
        with self._lock:
            workers = list(self._workers.values())
        calls = [
            self._submit(
                worker.channel, Request(worker.endpoint.name, method, *payload, worker.endpoint.uid, timeout)
            )
            for worker in workers
        ]
        wait(calls, timeout)

    def close(self) -> None:
        """Close the connections to all workers."""
        self.set_workers(())

    def _pump(self) -> None:
        for worker, work in self._assign():
            head, buffers = work.payload
            request = Request(
                worker.endpoint.name, self._method, head, buffers, worker.endpoint.uid, self._task_timeout
            )
            future = self._submit(worker.channel, request)
            future.add_done_callback(lambda done, worker=worker, work=work: self._ended(worker, work, done))  # type: ignore[misc]

    def _assign(self) -> list[tuple[_Worker, Work]]:
        """Take tasks off the queue while a worker has room."""
        given: list[tuple[_Worker, Work]] = []
        with self._lock:
            while self._pending and self._workers:
                worker = min(self._workers.values(), key=lambda worker: len(worker.held))
                if len(worker.held) >= self._depth(self._pending[0]):
                    break
                work = self._pending.popleft()
                if not work.started and not work.future.set_running_or_notify_cancel():
                    continue
                work.started, work.sent = True, time.monotonic()
                worker.held.append(work)
                self._running.add(work)
                given.append((worker, work))
            if not (self._pending or self._running):
                self._idle.notify_all()
        return given

    def _depth(self, work: Work) -> int:
        """How many a worker may hold. More than one only while tasks are short and very many wait, so that
        few can find themselves behind a long one; one that has lost a worker goes alone."""
        if work.tries or self._typical > _SHORT:
            return 1
        return max(1, min(_DEEPEST, len(self._pending) // (_MANY * len(self._workers))))

    def _ended(self, worker: _Worker, work: Work, done: Future[Reply]) -> None:
        error = done.exception()
        with self._lock:
            if isinstance(error, Lost) and worker.suspect is None:
                worker.suspect = worker.held[0]
            worker.held.remove(work)
            ours = work in self._running
            self._running.discard(work)
            self._learn(worker, work, error)
            if ours and self._tries_again(work, error, worker.suspect is work):
                self._drop(worker)
                self._pending.appendleft(work)
                ours = False
        if ours:
            self._finish(work, done, error)
        with self._idle:
            self._idle.notify_all()
        self._pump()

    def _learn(self, worker: _Worker, work: Work, error: BaseException | None) -> None:
        if isinstance(error, TimeoutError):  # it goes on there
            self._stuck.add(worker.endpoint.uid)
            self._drop(worker)
        elif error is None:
            took = (time.monotonic() - work.sent) / (len(worker.held) + 1)
            known = took if self._typical == math.inf else self._typical
            self._typical = known + _MEMORY * (took - known)

    def _tries_again(self, work: Work, error: BaseException | None, suspect: bool) -> bool:
        """A task that was not run costs nothing, and that a worker was lost counts against the one that it
        was running; that has `max_retries` tries more."""
        if self._failure is not None or isinstance(error, TimeoutError):
            return False
        if isinstance(error, Refused):
            return error.code in _UNSENT
        if isinstance(error, Lost) and suspect:
            work.tries += 1
            return work.tries <= self._max_retries
        return isinstance(error, NotSent | Lost)

    def _drop(self, worker: _Worker) -> None:
        """It cannot be used; the next look at the endpoints brings it back if it lives."""
        if self._workers.get(worker.endpoint.uid) is worker:
            del self._workers[worker.endpoint.uid]
            worker.channel.close()

    def _finish(self, work: Work, done: Future[Reply], error: BaseException | None) -> None:
        if isinstance(error, TransportError) and work.tries:
            error.add_note(f"the task was given to {work.tries} workers, and each was lost under it")
        if error is not None:
            _settle(work.future, error=error)
            return
        try:
            value = self._decode(done.result())
        except BaseException as raised:
            _settle(work.future, error=raised)
        else:
            _settle(work.future, value=value)


def _settle(future: Future[Any], *, value: Any = None, error: BaseException | None = None) -> None:
    """Finish a future that a user may have cancelled or that has not been marked as running."""
    if future.done() or (not future.running() and not future.set_running_or_notify_cancel()):
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(value)
