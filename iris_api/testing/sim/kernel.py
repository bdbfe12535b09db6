"""Kernel: one heap of events under virtual time, and green threads that run between them.

Nothing here is real time: the clock stands still while code runs and jumps to the next event when all of it
waits. Everything that could go one way or the other is drawn from seeded random numbers, so that one seed is
one run.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from typing import Any, Final

import greenlet

from iris_api.testing.sim.hosts import Host, Process
from iris_api.testing.sim.trace import Trace

__all__ = ["Blocked", "Kernel", "Timer", "Waiter", "active"]

_TICK: Final = 1e-6  # seconds that a wait takes at least: else rounding could let time stand still
_JITTER: Final = 5e-5  # seconds at most until a thread that is woken has its turn


class Blocked(RuntimeError):
    """Code that must not wait, such as a callback of an event loop, was about to."""


class Timer:
    """An event to come. `outside`: it comes from another machine, so it does not stand still with its own."""

    __slots__ = ("action", "cancelled", "lost", "outside", "process", "when")

    def __init__(
        self, when: float, action: Callable[[], object], process: Process | None, outside: bool
    ) -> None:
        self.when, self.action, self.process, self.outside = when, action, process, outside
        self.lost = process.host.lost if process is not None else 0.0
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Waiter:
    """One parked green thread, woken once: by `wake`, or by its deadline with False."""

    __slots__ = ("done", "green", "kernel", "process", "result", "timer")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.green: Any = None
        self.process: Process | None = None
        self.timer: Timer | None = None
        self.done = False
        self.result = False

    def wake(self, result: bool = True) -> bool:
        """False if it was woken before."""
        if self.done:
            return False
        self.done, self.result = True, result
        if self.timer is not None:
            self.timer.cancel()
        if self.green is not None:
            self.kernel.soon(self.green.switch, self.process)
        return True

    def expire(self) -> None:
        """Its time is over: it runs at once, as this step of its process."""
        if not self.done:
            self.done = True
            self.green.switch()


class Kernel:
    """Made, run and dropped in one OS thread. `random(concern)` numbers do not depend on one another: what
    one concern draws does not change what another gets."""

    def __init__(self, seed: str, trace: Trace | None = None) -> None:
        self.seed = seed
        self.now = 0.0
        self.steps = 0
        self.trace = trace if trace is not None else Trace()
        self.current: Process | None = None
        self.errors: list[str] = []
        self.threads: dict[Any, Any] = {}  # greenlet -> the Thread that it is
        self.hub: Any = greenlet.getcurrent()
        self.stopped = False
        self._heap: list[tuple[float, int, Timer]] = []
        self._count = 0
        self._randoms: dict[str, random.Random] = {}
        self._jitter = self.random("jitter").random

    def random(self, concern: str) -> random.Random:
        found = self._randoms.get(concern)
        if found is None:
            found = self._randoms[concern] = random.Random(f"{self.seed}/{concern}")
        return found

    def at(
        self,
        when: float,
        action: Callable[[], object],
        process: Process | None = None,
        *,
        outside: bool = False,
    ) -> Timer:
        """Have `action` called at virtual time `when`, as a step of `process` if it lives then."""
        timer = Timer(max(when, self.now), action, process, outside)
        self._push(timer)
        return timer

    def after(
        self,
        seconds: float,
        action: Callable[[], object],
        process: Process | None = None,
        *,
        outside: bool = False,
    ) -> Timer:
        return self.at(self.now + seconds, action, process, outside=outside)

    def soon(self, action: Callable[[], object], process: Process | None) -> Timer:
        """As the operating system gives a turn: at once, in no particular order."""
        return self.at(self.now + self._jitter() * _JITTER, action, process)

    def again(self, timer: Timer, when: float) -> None:
        """Put back an event that its process could not take."""
        timer.when = max(when, self.now)
        self._push(timer)

    def spawn(self, target: Callable[[], object], name: str, process: Process | None = None) -> Any:
        """A green thread of `process`, by default the current one."""
        owner = process if process is not None else self.current
        green = greenlet.greenlet(lambda: self._guarded(target, name), parent=self.hub)
        if owner is not None:
            owner.greens.append(green)
        self.soon(green.switch, owner)
        return green

    def park(self, waiter: Waiter, timeout: float | None = None) -> bool:
        """Give way until `waiter` is woken, or for `timeout` seconds; False then."""
        green = greenlet.getcurrent()
        if green is self.hub:
            raise Blocked("a callback of an event loop, or the simulation itself, waits for a thread")
        if waiter.done:
            return waiter.result
        waiter.green, waiter.process = green, self.current
        if timeout is not None:
            waiter.timer = self.after(max(_TICK, timeout), waiter.expire, self.current)
        self.hub.switch()
        return waiter.result

    def sleep(self, seconds: float) -> None:
        self.park(Waiter(self), seconds)

    @property
    def in_thread(self) -> bool:
        return greenlet.getcurrent() is not self.hub

    def run(self, until: float) -> None:
        """Let time pass until `until`, or until nothing is left to come, or `stopped` is set."""
        heap = self._heap
        while heap and not self.stopped:
            when, _, timer = heap[0]
            if when > until:
                break
            heapq.heappop(heap)
            if not timer.cancelled:
                self.now = when
                self._step(timer)
        if not self.stopped:
            self.now = max(self.now, until)

    def _step(self, timer: Timer) -> None:
        process = timer.process
        if process is not None and not process.takes(timer):
            return
        self.steps += 1
        self.current = process
        try:
            timer.action()
        finally:
            self.current = None

    def _guarded(self, target: Callable[[], object], name: str) -> None:
        try:
            target()
        except Exception as error:
            self.errors.append(f"thread {name} died of {type(error).__name__}: {error}")

    def _push(self, timer: Timer) -> None:
        self._count += 1
        heapq.heappush(self._heap, (timer.when, self._count, timer))

    def host(self, name: str) -> Host:
        return Host(self, name)


_active: list[Kernel] = []


def active() -> Kernel:
    """The kernel of the simulation that runs."""
    if not _active:
        raise RuntimeError("no simulation runs")
    return _active[-1]
