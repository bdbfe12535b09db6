"""What is remembered of a thread that dies, and when a loop that died runs again."""

import logging
import threading
import time
import traceback
from dataclasses import dataclass

__all__ = ["Backoff", "FailureLog", "ThreadFailure"]

logger = logging.getLogger("iris.threads")


@dataclass(frozen=True, slots=True)
class Backoff:
    """How a loop that raised is restarted. All times are seconds.

    The first restart comes after `first`, each further one after twice as long, at most `limit`.
    A run that lasts `healthy_after` clears the count; before that, the loop counts as unhealthy
    once it has died more than `tolerated` times in a row.
    """

    first: float = 0.1
    limit: float = 5.0
    healthy_after: float = 10.0
    tolerated: int = 2

    def delay(self, count: int) -> float:
        """Seconds to wait after the `count`-th death in a row (from 1)."""
        return float(min(self.limit, self.first * 2 ** min(count - 1, 60)))


@dataclass(frozen=True, slots=True)
class ThreadFailure:
    """A thread that died: how many times in a row, and of what last ("ValueError: boom")."""

    name: str
    count: int
    error: str

    def __str__(self) -> str:
        times = "once" if self.count == 1 else f"{self.count} times in a row"
        return f"thread {self.name!r} died {times}, last of {self.error}"


class FailureLog:
    """The deaths of one thread; keeps text only, so that no frame stays alive."""

    def __init__(self, name: str, backoff: Backoff) -> None:
        self._name = name
        self._backoff = backoff
        self._lock = threading.Lock()
        self._last: ThreadFailure | None = None
        self._running_since: float | None = None

    def run_started(self) -> None:
        with self._lock:
            self._running_since = time.monotonic()

    def note(self, error: BaseException, then: str) -> ThreadFailure:
        """Record and log one death; `then` says what happens next."""
        text = "".join(traceback.format_exception_only(error)).strip()
        with self._lock:
            count = 1 if self._last is None or self._recovered() else self._last.count + 1
            self._last = failure = ThreadFailure(self._name, count, text)
            self._running_since = None
        logger.error("%s; %s", failure, then, exc_info=error)
        return failure

    def last(self) -> ThreadFailure | None:
        """The last death, or None if there was none or a healthy run has followed it."""
        with self._lock:
            return None if self._recovered() else self._last

    def keeps_dying(self) -> bool:
        last = self.last()
        return last is not None and last.count > self._backoff.tolerated

    def _recovered(self) -> bool:
        since = self._running_since
        return since is not None and time.monotonic() - since >= self._backoff.healthy_after
