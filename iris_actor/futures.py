"""What an asynchronous call gives: a future that can be waited for, awaited, and is missed when dropped."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import sys
import threading
import time
import warnings
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Final

from iris_actor.decoding import decode
from iris_actor.errors import UnreadResult
from iris_api.errors import DeadlineExceeded
from iris_api.transport import Reply

__all__ = ["ActorFuture", "Outcome", "call_site"]

_HERE: Final = str(Path(__file__).parent)
_SLACK: Final = 5.0  # seconds after a call's deadline in which its transport has to say so
_told: Final[dict[str | tuple[str, type[Warning], int], int]] = {}  # so that a loop warns once
_log = logging.getLogger("iris.actor")


def call_site() -> tuple[str, int]:
    """File and line of the innermost caller outside this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


class Outcome:
    """Of one call: set once, by whoever brings the reply or the error. Knows nothing of who waits."""

    __slots__ = ("_callbacks", "_lock", "dropped", "error", "reply", "what")

    def __init__(self, what: str) -> None:
        self.what = what
        self.reply: Reply | None = None
        self.error: BaseException | None = None
        self.dropped = False
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] | None = []

    @property
    def is_set(self) -> bool:
        return self._callbacks is None

    def set(self, reply: Reply | None, error: BaseException | None = None) -> None:
        with self._lock:
            callbacks, self._callbacks = self._callbacks, None
            if callbacks is None:
                return
            self.reply, self.error = reply, error
        if self.dropped:
            self._tell_failure()
        for callback in callbacks:
            callback()

    def when_set(self, callback: Callable[[], None]) -> None:
        """Call it once the outcome is set, from whatever thread sets it, or now."""
        with self._lock:
            if self._callbacks is not None:
                self._callbacks.append(callback)
                return
        callback()

    def wait(self, timeout: float) -> bool:
        if self.is_set:
            return True
        event = threading.Event()
        self.when_set(event.set)
        return event.wait(timeout)

    def failure(self) -> str:
        """What went wrong, in words; empty if nothing did."""
        if self.error is not None:
            return f"{type(self.error).__name__}: {self.error}"
        failure = self.reply.failure if self.reply is not None else None
        return f"{failure.type}: {failure.message}" if failure is not None else ""

    def _tell_failure(self) -> None:
        if failure := self.failure():
            _log.warning("%s failed, and nobody holds its future: %s", self.what, failure)


class ActorFuture:
    """The result of ``client.method.remote()``. One that is dropped unread warns with its call site."""

    def __init__(self, outcome: Outcome, deadline: float, site: tuple[str, int]) -> None:
        self._outcome = outcome
        self._deadline = deadline
        self._site = site
        self._read = False
        self._value: tuple[Any, BaseException | None] | None = None
        self._decoding = threading.Lock()

    def result(self, timeout: float | None = None) -> Any:
        """The value, or the remote exception raised. Waits until the call's own deadline at most.
        Raises TimeoutError after `timeout` seconds; the call goes on, and may be asked for again."""
        value, error = self._get(timeout)
        if error is not None:
            try:
                raise error
            finally:
                del error  # or its traceback and this frame would hold one another
        return value

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What `result` would raise; None if it would not."""
        return self._get(timeout)[1]

    def done(self) -> bool:
        """Whether the outcome is known. Does not count as looking at it."""
        return self._outcome.is_set

    def add_done_callback(self, function: Callable[[ActorFuture], object]) -> None:
        """Call `function(self)` when done, in a thread of the transport's but in this context."""
        self._read = True
        context = contextvars.copy_context()

        def call() -> None:
            try:
                context.run(function, self)
            except Exception:
                _log.exception("a callback of %s failed", self._outcome.what)

        self._outcome.when_set(call)

    def __await__(self) -> Generator[Any, None, Any]:
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()

        def wake() -> None:
            if not waiter.done():
                waiter.set_result(None)

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody awaits any more
                loop.call_soon_threadsafe(wake)

        self._read = True
        self._outcome.when_set(tell)
        yield from waiter
        return self.result()

    def __repr__(self) -> str:
        return f"<ActorFuture of {self._outcome.what}, {'done' if self.done() else 'pending'}>"

    def __del__(self) -> None:
        if getattr(self, "_read", True) or sys.is_finalizing():
            return
        self._outcome.dropped = True
        failure = self._outcome.failure()
        how = f"; it failed: {failure}" if failure else "" if self.done() else ", before it ended"
        file, line = self._site
        text = f"the result of {self._outcome.what} (called at {file}:{line}) was dropped unread{how}"
        warnings.warn_explicit(text, UnreadResult, file, line, registry=_told)

    def _get(self, timeout: float | None) -> tuple[Any, BaseException | None]:
        self._read = True
        self._wait(timeout)
        with self._decoding:
            if self._value is None:
                self._value = self._decode()
            return self._value

    def _wait(self, timeout: float | None) -> None:
        longest = max(self._deadline - time.monotonic(), 0) + _SLACK
        if self._outcome.wait(longest if timeout is None else min(timeout, longest)):
            return
        if timeout is not None and timeout < longest:
            raise TimeoutError(f"{self._outcome.what}: no result within {timeout:g} s; the call goes on")
        self._outcome.set(None, DeadlineExceeded(f"{self._outcome.what}: no reply by its deadline"))

    def _decode(self) -> tuple[Any, BaseException | None]:
        if self._outcome.error is not None:
            return None, self._outcome.error
        assert self._outcome.reply is not None
        try:
            return decode(self._outcome.reply, self._outcome.what), None
        except Exception as error:
            return None, error
