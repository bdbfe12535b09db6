"""Waiting for what another thread or process is about to do, with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["ConditionTimeout", "wait_for_condition"]

T = TypeVar("T")


class ConditionTimeout(TimeoutError):
    """A condition that did not come true in time; `last` is what its predicate returned last."""

    def __init__(self, waited_for: str, timeout: float, last: object) -> None:
        super().__init__(f"waited {timeout:.3g} s for {waited_for}; it last was {last!r}")
        self.waited_for = waited_for
        self.timeout = timeout
        self.last = last


def wait_for_condition(
    predicate: Callable[[], T],
    timeout: float = 10.0,
    interval: float = 0.01,
    message: str | None = None,
) -> T:
    """Call `predicate` every `interval` seconds until it returns something true, and return that.

    Blocks at most about `timeout` seconds, then raises ConditionTimeout, which says what was waited for
    (`message`, else where the predicate is written) and what was seen last. What the predicate raises
    comes out at once.
    """
    deadline = time.monotonic() + timeout
    while not (value := predicate()):
        left = deadline - time.monotonic()
        if left <= 0:
            raise ConditionTimeout(message or _name(predicate), timeout, value)
        time.sleep(min(interval, left))
    return value


def _name(predicate: Callable[[], object]) -> str:
    code = getattr(predicate, "__code__", None)
    if code is None:
        return repr(predicate)
    return f"{code.co_qualname} ({code.co_filename}:{code.co_firstlineno})"
