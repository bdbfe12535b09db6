"""What `threading` and `queue` offer, for green threads: the same meaning, under virtual time."""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import greenlet

from iris_api.testing.sim.kernel import Waiter, active

__all__ = ["Condition", "Event", "Lock", "RLock", "SimpleQueue", "Thread", "current_thread", "get_ident"]

T = TypeVar("T")


class Lock:
    """As threading.Lock. Who waits longest is next."""

    def __init__(self) -> None:
        self._held = False
        self._waiting: deque[Waiter] = deque()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if not self._held:
            self._held = True
            return True
        if not blocking:
            return False
        waiter = Waiter(active())
        self._waiting.append(waiter)
        return waiter.kernel.park(waiter, None if timeout < 0 else timeout)

    def release(self) -> None:
        if not self._held:
            raise RuntimeError("release unlocked lock")
        while self._waiting:
            if self._waiting.popleft().wake():
                return
        self._held = False

    def locked(self) -> bool:
        return self._held

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()


class RLock:
    """As threading.RLock."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._owner: object = None
        self._depth = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        me = greenlet.getcurrent()
        if self._owner is me:
            self._depth += 1
            return True
        if not self._lock.acquire(blocking, timeout):
            return False
        self._owner, self._depth = me, 1
        return True

    def release(self) -> None:
        if self._owner is not greenlet.getcurrent():
            raise RuntimeError("cannot release un-acquired lock")
        self._depth -= 1
        if not self._depth:
            self._owner = None
            self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()


class Condition:
    """As threading.Condition."""

    def __init__(self, lock: Lock | RLock | None = None) -> None:
        self._lock = lock if lock is not None else RLock()
        self._waiting: deque[Waiter] = deque()
        self.acquire, self.release = self._lock.acquire, self._lock.release

    def wait(self, timeout: float | None = None) -> bool:
        waiter = Waiter(active())
        self._waiting.append(waiter)
        self._lock.release()
        try:
            return waiter.kernel.park(waiter, timeout)
        finally:
            self._lock.acquire()

    def wait_for(self, predicate: Callable[[], T], timeout: float | None = None) -> T:
        kernel = active()
        deadline = None if timeout is None else kernel.now + timeout
        while not (result := predicate()):
            left = None if deadline is None else deadline - kernel.now
            if left is not None and left <= 0:
                break
            self.wait(left)
        return result

    def notify(self, n: int = 1) -> None:
        while n > 0 and self._waiting:
            n -= self._waiting.popleft().wake()

    def notify_all(self) -> None:
        self.notify(len(self._waiting))

    def __enter__(self) -> bool:
        return self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()


class Event:
    """As threading.Event."""

    def __init__(self) -> None:
        self._set = False
        self._waiting: list[Waiter] = []

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter.wake()

    def clear(self) -> None:
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        if not self._set:
            waiter = Waiter(active())
            self._waiting.append(waiter)
            if not waiter.kernel.park(waiter, timeout) and waiter in self._waiting:
                self._waiting.remove(waiter)
        return self._set


class SimpleQueue(Generic[T]):
    """As queue.SimpleQueue."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._waiting: deque[Waiter] = deque()

    def put(self, item: T, block: bool = True, timeout: float | None = None) -> None:
        self._items.append(item)
        while self._waiting and not self._waiting.popleft().wake():
            continue

    put_nowait = put

    def get(self, block: bool = True, timeout: float | None = None) -> T:
        while not self._items:
            waiter = Waiter(active())
            self._waiting.append(waiter)
            if not block or not waiter.kernel.park(waiter, timeout):
                raise queue.Empty
        return self._items.popleft()

    def get_nowait(self) -> T:
        if not self._items:
            raise queue.Empty
        return self._items.popleft()

    def empty(self) -> bool:
        return not self._items

    def qsize(self) -> int:
        return len(self._items)


class Thread:
    """As threading.Thread, made of a greenlet of the process that starts it."""

    def __init__(
        self,
        group: None = None,
        target: Callable[..., object] | None = None,
        name: str | None = None,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        daemon: bool | None = None,
    ) -> None:
        self.name = name or "thread"
        self.daemon = bool(daemon)
        self.ident: int | None = None
        self._call = (target, tuple(args), dict(kwargs or {}))
        self._over = Event()
        self._green: Any = None

    def start(self) -> None:
        kernel = active()
        self._green = kernel.spawn(self._run, self.name)
        kernel.threads[self._green] = self
        self.ident = len(kernel.threads)

    def is_alive(self) -> bool:
        return self._green is not None and not self._over.is_set()

    def join(self, timeout: float | None = None) -> None:
        if self._green is None or self._green is greenlet.getcurrent():
            raise RuntimeError("cannot join this thread")
        self._over.wait(timeout)

    def _run(self) -> None:
        target, args, kwargs = self._call
        try:
            if target is not None:
                target(*args, **kwargs)
        finally:
            self._over.set()


class _Hub(Thread):
    """What current_thread is where no green thread runs: event loops, and the simulation itself."""

    def __init__(self) -> None:
        super().__init__(name="hub")
        self.ident = 0


_HUB = _Hub()


def current_thread() -> Thread:
    thread: Thread = active().threads.get(greenlet.getcurrent(), _HUB)
    return thread


def get_ident() -> int:
    return current_thread().ident or 0
