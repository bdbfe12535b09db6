"""Time that passes only when a test says so."""

import threading

__all__ = ["VirtualClock"]

_START = 1_767_225_600.0  # 2026-01-01 00:00 UTC


class VirtualClock:
    """A monotonic and a wall clock that `advance` moves together and `jump` apart. Thread-safe."""

    def __init__(self, now: float = 0.0, wall: float = _START) -> None:
        self._lock = threading.Lock()
        self._now = now
        self._ahead = wall - now

    def now(self) -> float:
        """Monotonic seconds since an arbitrary point."""
        with self._lock:
            return self._now

    def wall(self) -> float:
        """Seconds since the Unix epoch."""
        with self._lock:
            return self._now + self._ahead

    def advance(self, seconds: float) -> float:
        """Let `seconds` pass and return the new `now()`. ValueError if they are negative."""
        if seconds < 0:
            raise ValueError(f"a clock cannot go back, not by {seconds} s")
        with self._lock:
            self._now += seconds
            return self._now

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward, or back; no time passes."""
        with self._lock:
            self._ahead += seconds
