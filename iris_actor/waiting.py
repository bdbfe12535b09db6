"""Waiting until somebody has a name: by a watch where the resolver can, else by asking again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from iris_actor.asking import ask, watch
from iris_api.errors import Refused, TransportError
from iris_api.resolver import Endpoint, Resolver, SupportsWatch

__all__ = ["Seen", "endpoints_now", "wait_for_endpoints"]

_PAUSES: Final = (0.02, 0.05, 0.1, 0.2, 0.5)  # seconds; the last one repeats
_RETRIED: Final = frozenset({"unavailable", "resource_exhausted"})


def endpoints_now(resolver: Resolver, name: str, deadline: float) -> tuple[Endpoint, ...]:
    """Resolve by `deadline` (monotonic); an error that may pass means nobody. Raises Refused for others."""
    try:
        return ask(resolver, name, _left(deadline))
    except TransportError as error:
        _raise_if_final(error)
        return ()


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.05)


def _raise_if_final(error: TransportError) -> None:
    if isinstance(error, Refused) and error.code not in _RETRIED:
        raise error


class Seen:
    """What a resolver told last."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.endpoints: tuple[Endpoint, ...] = ()
        self.error: TransportError | None = None

    def __str__(self) -> str:
        if self.error is not None:
            return f"the resolver failed: {self.error}"
        addresses = ", ".join(endpoint.address for endpoint in self.endpoints)
        return f"{self.name!r} is at {addresses}" if addresses else f"nobody is registered as {self.name!r}"

    def ask(self, resolver: Resolver, deadline: float) -> tuple[Endpoint, ...]:
        """Resolve by `deadline` (monotonic); an error that may pass is noted and means nobody. Raises
        Refused for others."""
        try:
            self.endpoints, self.error = ask(resolver, self.name, _left(deadline)), None
        except TransportError as error:
            _raise_if_final(error)
            self.endpoints, self.error = (), error
        return self.endpoints


def wait_for_endpoints(
    resolver: Resolver,
    seen: Seen,
    enough: Callable[[tuple[Endpoint, ...]], bool],
    deadline: float,
    stop: threading.Event | None = None,
    ask_by: float | None = None,
) -> bool:
    """Wait until what `seen` tells is `enough`; False at the deadline (monotonic) or when `stop` is set.
    A question that is under way then is given until `ask_by`, by default no longer."""
    changed = threading.Event()
    answer_by = deadline if ask_by is None else ask_by
    if enough(seen.ask(resolver, answer_by)):
        return True
    end = _watched(resolver, seen.name, changed, answer_by)
    try:
        stopping = stop or threading.Event()
        return _wait(resolver, seen, enough, deadline, answer_by, changed, stopping, end is not None)
    finally:
        if end is not None:
            end()


def _watched(
    resolver: Resolver, name: str, changed: threading.Event, deadline: float
) -> Callable[[], None] | None:
    """What ends a watch that sets `changed`; None where the resolver has no watch."""
    if not isinstance(resolver, SupportsWatch):
        return None
    return watch(resolver, name, lambda _: changed.set(), _left(deadline))


def _wait(
    resolver: Resolver,
    seen: Seen,
    enough: Callable[[tuple[Endpoint, ...]], bool],
    deadline: float,
    answer_by: float,
    changed: threading.Event,
    stop: threading.Event,
    watched: bool,
) -> bool:
    turn = 0
    while (left := deadline - time.monotonic()) > 0 and not stop.is_set():
        pause = _PAUSES[-1] if watched else _PAUSES[min(turn, len(_PAUSES) - 1)]
        changed.wait(min(pause, left))
        changed.clear()
        turn += 1
        if enough(seen.ask(resolver, answer_by)):
            return True
    return False
