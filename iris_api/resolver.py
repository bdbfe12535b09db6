"""Resolver: how a name becomes endpoints."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from attrs import frozen

from iris_api.credentials import Token

__all__ = ["Endpoint", "Resolver", "SupportsWatch"]


@frozen
class Endpoint:
    """A named address. `uid` is another one after a new registration; `attempt_uid` is the owner."""

    name: str
    address: str  # scheme://host:port
    uid: str = ""
    attempt_uid: str = ""


class Resolver(ABC):
    """Names to endpoints. Safe from several threads."""

    token: Token | None = None  # what callers show to the endpoints; None: the caller's own

    @abstractmethod
    def resolve(self, name: str) -> tuple[Endpoint, ...]:
        """Who has this name now, within bounded time; empty when nobody has, never an error for that.
        Raises TransportError when whoever knows cannot be asked."""

    def resolve_within(self, name: str, timeout: float) -> tuple[Endpoint, ...]:
        """As `resolve`, but back within about `timeout` seconds (> 0), and without trying again: who calls
        this does that. This one asks in a thread of its own; a resolver that keeps the time by itself, or
        never waits for anybody, overrides it, which saves that thread at every call."""
        from iris_api._plugins.asking import ask_within

        return ask_within(self, name, lambda: self.resolve(name), timeout)

    def close(self) -> None:
        """End the watches, release connections. Idempotent."""


@runtime_checkable
class SupportsWatch(Protocol):
    """A resolver that can tell of changes."""

    def watch(self, name: str, changed: Callable[[tuple[Endpoint, ...]], None]) -> Callable[[], None]:
        """Call `changed` with all endpoints now and after every change, from a thread of the
        resolver's; returns what ends the watch, idempotent. Survives a reconnect, and what `changed`
        raises. Ends with `close`."""
