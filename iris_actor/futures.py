"""What an asynchronous call gives: a future that can be waited for, awaited, and is missed when dropped."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import sys
import time
import warnings
from collections.abc import Callable, Generator
from pathlib import Path
from types import CodeType
from typing import Any, Final

from iris_actor.attempt import Attempt
from iris_actor.decoding import decode
from iris_actor.errors import UnreadResult

__all__ = ["ActorFuture", "call_site"]

_HERE: Final = str(Path(__file__).parent)
_SLACK: Final = 5.0  # seconds after a call's deadline in which its transport has to say so
_told: Final[dict[str | tuple[str, type[Warning], int], int]] = {}  # so that a loop warns once
_log = logging.getLogger("iris.actor")


def call_site() -> tuple[CodeType, int]:
    """Code and instruction of the innermost caller outside this package; `_line` makes a line of them,
    which takes longer and is rarely asked for."""
    frame = sys._getframe(3)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    return frame.f_code, frame.f_lasti


def _line(code: CodeType, instruction: int) -> int:
    lines = (line for start, end, line in code.co_lines() if start <= instruction < end)
    return next(lines, None) or code.co_firstlineno


class ActorFuture:
    """The result of ``client.method.remote()``. One that is dropped unread warns with its call site."""

    __slots__ = ("__weakref__", "_attempt", "_code", "_instruction", "_read", "_value")

    def __init__(self, attempt: Attempt, code: CodeType, instruction: int) -> None:
        self._attempt = attempt
        self._code, self._instruction = code, instruction
        self._read = False
        self._value: tuple[Any, BaseException | None] | None = None

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
        return self._attempt.is_set

    def add_done_callback(self, function: Callable[[ActorFuture], object]) -> None:
        """Call `function(self)` when done, in a thread of the transport's but in this context."""
        self._read = True
        context = contextvars.copy_context()

        def call() -> None:
            try:
                context.run(function, self)
            except Exception:
                _log.exception("a callback of %s failed", self._attempt.what)

        self._attempt.when_set(call)

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
        self._attempt.when_set(tell)
        at_the_latest = loop.call_later(self._longest(), self._attempt.caller.expire, self._attempt)
        try:
            yield from waiter
        finally:
            at_the_latest.cancel()
        return self.result()

    def __repr__(self) -> str:
        return f"<ActorFuture of {self._attempt.what}, {'done' if self.done() else 'pending'}>"

    def __del__(self) -> None:
        if getattr(self, "_read", True) or sys.is_finalizing():
            return
        self._attempt.dropped = True
        failure = self._attempt.failure()
        how = f"; it failed: {failure}" if failure else "" if self.done() else ", before it ended"
        file, line = self._code.co_filename, _line(self._code, self._instruction)
        text = f"the result of {self._attempt.what} (called at {file}:{line}) was dropped unread{how}"
        warnings.warn_explicit(text, UnreadResult, file, line, registry=_told)

    def _get(self, timeout: float | None) -> tuple[Any, BaseException | None]:
        self._read = True
        if not self._attempt.is_set:
            self._wait(timeout)
        value = self._value
        if value is None:  # two threads that ask at once may both decode
            value = self._value = self._decode()
        return value

    def _longest(self) -> float:
        return max(self._attempt.deadline + _SLACK - time.monotonic(), 0)

    def _wait(self, timeout: float | None) -> None:
        longest = self._longest()
        if self._attempt.wait(longest if timeout is None else min(timeout, longest)):
            return
        if timeout is not None and timeout < longest:
            raise TimeoutError(f"{self._attempt.what}: no result within {timeout:g} s; the call goes on")
        self._attempt.caller.expire(self._attempt)

    def _decode(self) -> tuple[Any, BaseException | None]:
        attempt = self._attempt
        if attempt.error is not None:
            return None, attempt.error
        assert attempt.reply is not None
        try:
            return decode(attempt.reply, attempt.caller.name, attempt.method), None
        except Exception as error:
            return None, error
