"""What a resolver answers is checked, and what it raises names its plugin."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from iris_api.errors import TransportError
from iris_api.plugins import blamed_text, calls_of
from iris_api.resolver import Endpoint, Resolver, SupportsWatch

__all__ = ["ask", "ask_patiently", "watch"]

_log = logging.getLogger("iris.actor")
_BRIEF: Final = 5.0  # seconds for the end of a watch
_ENDPOINTS: Final = frozenset({Endpoint})
_FUNCTION: Final[Any] = Callable


def ask(resolver: Resolver, name: str, timeout: float) -> tuple[Endpoint, ...]:
    """Who has the name, by ``resolve_within``: at every call, so that nothing is put around it."""
    try:
        found = resolver.resolve_within(name, timeout)
    except TransportError:
        raise
    except Exception as error:
        calls_of(resolver).note(error, "resolve()")
        raise
    return found if _right(found) else _wrong(resolver, found)


def ask_patiently(resolver: Resolver, name: str, timeout: float) -> tuple[Endpoint, ...]:
    """Who has the name, by ``resolve``, which may try again for a while. `timeout` seconds bound those that
    do not keep the time by themselves."""
    if type(resolver).resolve_within is Resolver.resolve_within:
        return ask(resolver, name, timeout)
    with calls_of(resolver).blamed("resolve()"):
        found = resolver.resolve(name)
    return found if _right(found) else _wrong(resolver, found)


def watch(
    resolver: SupportsWatch, name: str, changed: Callable[[tuple[Endpoint, ...]], None], timeout: float
) -> Callable[[], None]:
    """Its ``watch``; what that returns, made safe to call. Raises PluginError if it does not return in time,
    or no function."""
    calls = calls_of(resolver)
    end = calls.checked(
        calls.bounded("watch()", lambda: resolver.watch(name, changed), timeout), _FUNCTION, "watch()"
    )

    def end_it() -> None:
        try:
            calls.bounded("the end of watch()", end, _BRIEF)
        except Exception as error:
            _log.warning("the watch of %s is left behind: %s", name, blamed_text(error))

    return end_it


def _right(found: Any) -> bool:
    return type(found) is tuple and _ENDPOINTS.issuperset(map(type, found))


def _wrong(resolver: Resolver, found: Any) -> tuple[Endpoint, ...]:
    """PluginError, where it is not one of a subclass after all."""
    calls = calls_of(resolver)
    for one in calls.checked(found, tuple, "resolve()"):
        calls.checked(one, Endpoint, "each item of resolve()")
    return tuple(found)
