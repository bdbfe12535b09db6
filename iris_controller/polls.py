"""Who waits for what: long polls hold a place here, and no thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager

__all__ = ["Hold", "Polls"]


class Hold:
    """How long an answer may still wait, and for what. Made before looking, so that no change between
    the look and the wait is missed."""

    __slots__ = ("_closed", "_deadline", "_waiter", "_woken")

    def __init__(self, seconds: float, closed: Callable[[], bool]) -> None:
        self._deadline = time.monotonic() + seconds
        self._closed = closed
        self._woken = False
        self._waiter: asyncio.Future[None] | None = None

    def wake(self) -> None:
        self._woken = True
        if self._waiter is not None:
            _finish(self._waiter)

    @property
    def over(self) -> bool:
        return self._closed() or time.monotonic() >= self._deadline

    async def wait(self) -> None:
        """Until something changed since the last `wait`, or the time is over."""
        if not self._woken:
            loop = asyncio.get_running_loop()
            waiter = self._waiter = loop.create_future()
            alarm = loop.call_later(max(0.0, self._deadline - time.monotonic()), _finish, waiter)
            try:
                await waiter
            finally:
                alarm.cancel()
                self._waiter = None
        self._woken = False


def _finish(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class Polls:
    """The holds of an event loop, by what they wait for. To be used on that loop only."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, dict[Hold, None]] = {}
        self._closed = False

    @contextmanager
    def hold(self, what: Hashable, seconds: float) -> Iterator[Hold]:
        hold = Hold(seconds, lambda: self._closed)
        waiting = self._waiting.setdefault(what, {})
        waiting[hold] = None
        try:
            yield hold
        finally:
            del waiting[hold]
            if not waiting and self._waiting.get(what) is waiting:
                del self._waiting[what]

    def wake(self, whats: Iterable[Hashable]) -> None:
        if not self._waiting:
            return
        for what in whats:
            for hold in self._waiting.get(what, ()):
                hold.wake()

    def holds(self, kind: Hashable) -> list[Hashable]:
        """What is waited for among ``(kind, ...)``. From any thread."""
        return [what for what in list(self._waiting) if isinstance(what, tuple) and what[0] == kind]

    def close(self) -> None:
        """Answer all, and hold none any more."""
        self._closed = True
        self.wake(list(self._waiting))
