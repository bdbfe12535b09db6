"""One thread with a stop event, a bounded stop and a record of how it died."""

import contextvars
import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Protocol

from iris_api._threads.failures import Backoff, FailureLog, ThreadFailure
from iris_api._threads.stacks import describe_thread

__all__ = ["ManagedThread", "Owner", "Target"]

logger = logging.getLogger("iris.threads")

Target = Callable[[threading.Event], object]


class Owner(Protocol):
    """Who is told that a thread has ended."""

    name: str

    def _ended(self, thread: "ManagedThread") -> None: ...


class ManagedThread:
    """A thread of a :class:`ThreadContainer`, which makes it; it runs in a copy of the maker's context.

    `stop_event` is what the target is given: the target returns soon after it is set.
    The thread is a daemon only as a last resort, so that interpreter exit cannot hang on it.
    """

    def __init__(
        self,
        target: Target,
        name: str,
        owner: Owner,
        on_stop: Callable[[], None] | None = None,
        restart: Backoff | None = None,
    ) -> None:
        self.name = name
        self.stop_event = threading.Event()
        self._owner = owner
        self._on_stop = on_stop
        self._restart = restart
        self._failures = FailureLog(name, restart or Backoff(healthy_after=math.inf, tolerated=0))
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._run, target), name=name, daemon=True)

    def __repr__(self) -> str:
        state = "alive" if self.is_alive() else "ended"
        return f"<ManagedThread {self.name!r} of {self._owner.name!r}, {state}>"

    @property
    def failure(self) -> ThreadFailure | None:
        """How the thread last died; None if it did not, or if its loop has since recovered."""
        return self._failures.last()

    def is_alive(self) -> bool:
        """Whether the thread still runs. Does not block."""
        return self._thread.is_alive()

    def join(self, timeout: float | None = None) -> bool:
        """Wait at most `timeout` seconds (None: for ever) for the end; True when the thread is gone.

        Does not ask the thread to stop. Raises RuntimeError when called by the thread itself.
        """
        self._thread.join(timeout)
        return not self.is_alive()

    def stop(self, timeout: float = 5.0) -> bool:
        """Set the stop event and wait at most `timeout` seconds; True when the thread is gone.

        Idempotent. On expiry the thread's stack is logged. Called by the thread itself, it does not wait.
        """
        for thread in self._stop_until(time.monotonic() + timeout):
            thread._log_stuck(timeout)
        return not self.is_alive()

    def _start(self) -> None:
        self._thread.start()

    def _is_current(self) -> bool:
        return self._thread is threading.current_thread()

    def _stop_until(self, deadline: float) -> list["ManagedThread"]:
        """Ask to stop and wait until `deadline` (monotonic); what is left, which is itself or nothing."""
        self._request_stop()
        if self._is_current():
            return []
        self._thread.join(max(0.0, deadline - time.monotonic()))
        return [self] if self.is_alive() else []

    def _request_stop(self) -> None:
        self.stop_event.set()
        if self._on_stop is not None:
            try:
                self._on_stop()
            except Exception:  # the others must be asked all the same
                logger.exception("what wakes thread %r at its stop failed", self.name)

    def _log_stuck(self, timeout: float) -> None:
        where = describe_thread(self._thread)
        logger.error("a thread of %r did not stop within %.3g s: %s", self._owner.name, timeout, where)

    def _run(self, target: Target) -> None:
        try:
            if self._restart is None:
                self._run_once(target)
            else:
                self._run_again_and_again(target, self._restart)
        finally:
            self._owner._ended(self)

    def _run_once(self, target: Target) -> None:
        try:
            target(self.stop_event)
        except BaseException as error:  # also SystemExit, which would end a thread without a word
            self._failures.note(error, "it is not restarted")

    def _run_again_and_again(self, target: Target, restart: Backoff) -> None:
        while not self.stop_event.is_set():
            self._failures.run_started()
            try:
                target(self.stop_event)
                return
            except BaseException as error:
                pause = self._note_and_choose_pause(error, restart)
            self.stop_event.wait(pause)

    def _note_and_choose_pause(self, error: BaseException, restart: Backoff) -> float:
        if self.stop_event.is_set():
            self._failures.note(error, "it was being stopped")
            return 0.0
        failure = self._failures.note(error, "it is restarted after a pause")
        return restart.delay(failure.count)
