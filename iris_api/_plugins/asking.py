"""Resolvers are asked for a bounded time, whatever they do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

from iris_api._plugins.makers import calls_of
from iris_api._plugins.patience import Asked, Hangs
from iris_api.errors import TransportError

__all__ = ["ask_within"]

T = TypeVar("T")
_LEAST: Final = 0.01  # seconds
_lock = threading.Lock()
_left: dict[tuple[int, str], Asked[Any] | None] = {}  # questions that nobody waits for: by resolver and name


def ask_within(resolver: object, name: str, question: Callable[[], T], timeout: float) -> T:
    """What `question`, a resolver's ``resolve(name)``, answers, in a thread of its own. Raises
    TransportError after `timeout` seconds. One that hangs is not asked again until it has come back."""
    key = id(resolver), name
    with _lock:
        earlier = _left.pop(key, None)
    asked: Asked[T] | None = None
    try:
        if earlier is not None:
            _outlast(earlier, timeout)
        asked = Asked(question, f"resolve() of {calls_of(resolver).named}")
        return asked.answer(max(timeout, _LEAST))
    except Hangs as error:
        with _lock:
            _left[key] = asked or earlier
        raise TransportError(f"{calls_of(resolver).named} hangs in resolve(): {error}") from None


def _outlast(earlier: Asked[Any], timeout: float) -> None:
    """Wait for the end of what was given up; its answer is old. Raises Hangs."""
    try:
        earlier.answer(timeout)
    except Hangs:
        raise
    except Exception:
        return  # nobody is left to be told
