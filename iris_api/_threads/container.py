"""The owner of threads, executors, servers and further containers: stops them all under one deadline."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from types import TracebackType
from typing import Self

from iris_api._threads.executor import ContextExecutor
from iris_api._threads.failures import Backoff, ThreadFailure
from iris_api._threads.managed import ManagedThread, Target
from iris_api._threads.server import UvicornServer, start_server

__all__ = ["ContainerStopped", "ThreadContainer"]

_REMEMBERED_DEAD = 100  # names; the log has them all


class ContainerStopped(RuntimeError):
    """A thread was to be started in a container that has been stopped."""


class ThreadContainer:
    """Owns what it spawns until that has ended. Safe to use from every thread.

    What is spawned runs in a copy of the caller's context. Spawning after `stop` raises RuntimeError.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._parent: ThreadContainer | None = None
        self._lock = threading.Lock()
        self._members: dict[ManagedThread | ThreadContainer, None] = {}  # in order of creation
        self._dead: dict[str, ThreadFailure] = {}
        self._closed = False
        self._settled = threading.Event()  # closed, and empty or given up

    def __repr__(self) -> str:
        state = "stopped" if self._closed else "open"
        return f"<ThreadContainer {self.name!r}, {state}, {len(self._members)} members>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def spawn(self, target: Target, name: str, on_stop: Callable[[], None] | None = None) -> ManagedThread:
        """Run `target(stop_event)` once on a thread of its own. Does not block.

        `on_stop` is called once the stop event is set, maybe more than once, by whoever stops the thread:
        it wakes a target that waits for something else. An exception of the target is logged with its
        traceback and makes `unhealthy` report the thread.
        """
        return self._spawn(target, name, on_stop)

    def spawn_loop(
        self,
        target: Target,
        name: str,
        restart: Backoff | None = None,
        on_stop: Callable[[], None] | None = None,
    ) -> ManagedThread:
        """Run `target(stop_event)`, and run it again after a back-off whenever it raises. Does not block.

        `on_stop` as for `spawn`. The loop ends when the target returns or the stop event is set. Each
        exception is logged with its traceback; `unhealthy` reports a loop that keeps dying.
        """
        return self._spawn(target, name, on_stop, restart=restart or Backoff())

    def spawn_executor(self, max_workers: int, name: str) -> Executor:
        """Make an executor of at most `max_workers` threads `name-0`, `name-1`...; starts none yet.

        Each task runs in a copy of its submitter's context. `stop` of this container cancels what is
        queued and does not wait longer than its timeout for what runs; `shutdown(wait=True)` on the
        executor itself waits for all tasks, or until that stop gives up.
        """
        return ContextExecutor(self.child(name), max_workers)

    def spawn_server(self, server: UvicornServer, name: str, ready_timeout: float = 10.0) -> ManagedThread:
        """Run a `uvicorn.Server` on a thread; returns when it listens.

        Blocks at most about `ready_timeout` seconds. Raises what hindered the start: OSError if the
        address cannot be bound, RuntimeError if the application's start-up failed, TimeoutError if it
        did not end in time; then nothing runs any more. `stop` of the thread closes idle connections at
        once and gives requests in flight `server.config.timeout_graceful_shutdown` seconds (None: 1).
        """
        return start_server(self, server, name, ready_timeout)

    def child(self, name: str) -> "ThreadContainer":
        """Make a container that this one stops along with its threads. Does not block."""
        child = ThreadContainer(name)
        child._parent = self
        with self._lock:
            self._refuse_if_closed(f"thread container {name!r}")
            self._members[child] = None
        return child

    def failures(self) -> list[ThreadFailure]:
        """Every recorded death in this container and its children, also of loops that are restarted."""
        with self._lock:
            members, found = list(self._members), list(self._dead.values())
        for member in members:
            found += member.failures() if isinstance(member, ThreadContainer) else _failure_of(member)
        return found

    def unhealthy(self) -> list[str]:
        """One sentence for each thread that has died for good and each loop that keeps dying."""
        with self._lock:
            members, found = list(self._members), [str(failure) for failure in self._dead.values()]
        for member in members:
            if isinstance(member, ThreadContainer):
                found += member.unhealthy()
            elif member._failures.keeps_dying():
                found += map(str, _failure_of(member))
        return found

    def stop(self, timeout: float = 5.0) -> list[str]:
        """Stop everything, the newest first, within `timeout` seconds over all.

        Returns the names of the threads that did not stop, and logs each with its stack. Idempotent: a
        second call waits for what is left. Called by a thread of this container, it does not wait for it.
        """
        left = self._stop_until(time.monotonic() + timeout)
        for thread in left:
            thread._log_stuck(timeout)
        return [thread.name for thread in left]

    def _spawn(
        self,
        target: Target,
        name: str,
        on_stop: Callable[[], None] | None = None,
        restart: Backoff | None = None,
    ) -> ManagedThread:
        thread = ManagedThread(target, name, self, on_stop, restart)
        with self._lock:  # held over the start: stop() sees started threads only
            self._refuse_if_closed(f"thread {name!r}")
            thread._start()
            self._members[thread] = None
        return thread

    def _refuse_if_closed(self, what: str) -> None:
        if self._closed:
            raise ContainerStopped(f"cannot start {what}: thread container {self.name!r} is stopped")

    def _stop_until(self, deadline: float) -> list[ManagedThread]:
        """Stop the newest first; what hangs uses half of the time that is left, so that each has a turn."""
        members = self._close()
        for member in members:
            now = time.monotonic()
            member._stop_until(now + (deadline - now) / 2)
        left = [thread for member in members for thread in member._stop_until(deadline)]
        self._settled.set()
        return left

    def _close(self) -> list["ManagedThread | ThreadContainer"]:
        """Refuse further members; those that there are, the newest first."""
        with self._lock:
            self._closed = True
            members = list(reversed(self._members))
        self._leave_if_done()
        return members

    def _ended(self, thread: ManagedThread) -> None:
        if not thread.stop_event.is_set():
            self._remember(thread)
        self._forget(thread)

    def _remember(self, thread: ManagedThread) -> None:
        for failure in _failure_of(thread):
            with self._lock:
                before = self._dead.pop(failure.name, None)
                count = failure.count + (before.count if before else 0)
                self._dead[failure.name] = ThreadFailure(failure.name, count, failure.error)
                while len(self._dead) > _REMEMBERED_DEAD:
                    del self._dead[next(iter(self._dead))]

    def _forget(self, member: "ManagedThread | ThreadContainer") -> None:
        with self._lock:
            self._members.pop(member, None)
        self._leave_if_done()

    def _leave_if_done(self) -> None:
        with self._lock:
            done = self._closed and not self._members
        if done:
            self._settled.set()
            if self._parent is not None:
                self._parent._forget(self)

    def _holds_current_thread(self) -> bool:
        with self._lock:
            members = list(self._members)
        return any(member._is_current() for member in members if isinstance(member, ManagedThread))


def _failure_of(thread: ManagedThread) -> list[ThreadFailure]:
    failure = thread.failure
    return [] if failure is None else [failure]
