"""Hosts and processes of a simulation: what stands still together, and what dies together."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from iris_api.testing.sim.aio import SimLoop
    from iris_api.testing.sim.kernel import Kernel, Timer

__all__ = ["EPOCH", "Host", "Process"]

EPOCH: Final = 1_767_225_600.0  # Unix seconds at the start of a simulation: 2026-01-01 00:00 UTC


class Host:
    """A machine. `lost`: seconds that it was suspended for, which its monotonic clock has not seen.
    `wall_offset`: how far its wall clock is off. `up` is False while it has no power. `when_resumed`: what
    something on it was to do meanwhile."""

    def __init__(self, kernel: Kernel, name: str) -> None:
        self.kernel, self.name = kernel, name
        self.lost = 0.0
        self.wall_offset = 0.0
        self.up = True
        self.processes: list[Process] = []
        self.when_resumed: list[Callable[[], None]] = []
        self._suspended: float | None = None
        self._deferred: list[Timer] = []

    def mono(self) -> float:
        return self.kernel.now - self.lost

    def wall(self) -> float:
        return EPOCH + self.kernel.now + self.wall_offset

    def process(self, name: str) -> Process:
        made = Process(self, name)
        self.processes.append(made)
        return made

    @property
    def suspended(self) -> bool:
        return self._suspended is not None

    def suspend(self) -> None:
        """All of it stands still, its monotonic clock included."""
        if self._suspended is None:
            self._suspended = self.kernel.now

    def resume(self) -> None:
        if self._suspended is None:
            return
        self.lost += self.kernel.now - self._suspended
        self._suspended = None
        deferred, self._deferred = self._deferred, []
        for timer in deferred:
            self._put_back(timer)
        waiting, self.when_resumed = self.when_resumed, []
        for action in waiting:
            action()

    def takes(self, timer: Timer) -> bool:
        """Whether the machine runs now; if not, the event comes later by as much as it stood still."""
        if self._suspended is not None:
            self._deferred.append(timer)
            return False
        if timer.lost < self.lost and not timer.outside:
            self._put_back(timer)
            return False
        return True

    def _put_back(self, timer: Timer) -> None:
        later = timer.when if timer.outside else timer.when + self.lost - timer.lost
        timer.lost = self.lost
        self.kernel.again(timer, later)


class Process:
    """What a kill -9 ends: green threads, an event loop, and all that only they hold.

    `steps` counts its events; before step `dies_at` it is killed. What was killed is kept until the
    simulation is over, so that nothing of it runs, not even a ``finally``.
    """

    def __init__(self, host: Host, name: str) -> None:
        self.host, self.name = host, name
        self.alive = True
        self.steps = 0
        self.dies_at: int | None = None
        self.greens: list[Any] = []
        self.kept: list[object] = []
        self.loop: SimLoop | None = None
        self.on_death: list[Callable[[], None]] = []
        self._paused = False
        self._deferred: list[Timer] = []

    def takes(self, timer: Timer) -> bool:
        """Whether it can run a step now."""
        if not self.alive or not self.host.takes(timer):
            return False
        if self._paused:
            self._deferred.append(timer)
            return False
        self.steps += 1
        if self.dies_at is not None and self.steps >= self.dies_at:
            self.kill()
            return False
        return True

    def kill(self) -> None:
        """At once and without a word. Idempotent."""
        if not self.alive:
            return
        self.alive = False
        self.host.kernel.trace("killed", self.name, self.steps)
        for told in self.on_death:
            told()

    def pause(self) -> None:
        """As SIGSTOP does: the clocks go on."""
        self._paused = True

    def unpause(self) -> None:
        self._paused = False
        deferred, self._deferred = self._deferred, []
        for timer in deferred:
            self.host.kernel.again(timer, self.host.kernel.now)

    def __repr__(self) -> str:
        return f"<Process {self.name} on {self.host.name}>"
