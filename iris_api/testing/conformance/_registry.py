"""What the rules of resolvers need besides the resolver."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from iris_api.resolver import Endpoint, Resolver
from iris_api.testing.waiting import wait_for_condition

__all__ = ["Registry", "SupportsOutage", "Told"]


class Registry(Protocol):
    """Whoever knows the names, as the rules use it: never by way of the resolver under test."""

    def resolver(self) -> Resolver:
        """A new resolver of what is registered. The kit closes it."""

    def register(self, name: str, address: str) -> str:
        """Have `name` mean `address` too. Returns what `unregister` takes; with the ability "uids" that is
        the uid of the endpoint."""

    def unregister(self, uid: str) -> None:
        """End that registration."""


@runtime_checkable
class SupportsOutage(Protocol):
    """A registry that can be put out of its resolvers' reach."""

    def outage(self) -> AbstractContextManager[object]:
        """Break the connections of its resolvers, and let no question through meanwhile. `register` and
        `unregister` go on working."""


class Told:
    """What a watch has told; it is waited for for `patience` seconds."""

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self.all: list[tuple[Endpoint, ...]] = []

    def __call__(self, endpoints: tuple[Endpoint, ...]) -> None:
        self.all.append(endpoints)

    def last_is(self, *addresses: str) -> bool:
        return bool(self.all) and sorted(one.address for one in self.all[-1]) == sorted(addresses)

    def becomes(self, *addresses: str) -> None:
        """Wait until these are what was told last."""
        what = f"a watch to tell {addresses}; so far it told {self.all}"
        wait_for_condition(lambda: self.last_is(*addresses), self.patience, message=what)
