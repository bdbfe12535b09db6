"""Resolvers with one thing broken in each, and the rule of the kit that has to find it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import pytest
from attrs import evolve

from iris_api.errors import NotSent, TransportError
from iris_api.resolver import Endpoint
from iris_api.testing import FakeRegistry, ResolverConformance
from iris_api.testing.fakes.resolver import Changed, FakeResolver
from iris_api.threads import get_thread_registry

__all__ = ["BUGS", "LATE", "BuggyResolverKit", "Healthy", "PatientResolverKit"]

Endpoints = tuple[Endpoint, ...]


class _Registry(FakeRegistry):
    def __init__(self, resolver_class: type[FakeResolver]) -> None:
        super().__init__()
        self._class = resolver_class
        self.outages = 0

    def resolver(self) -> FakeResolver:
        return self._class(self)

    def _set_away(self, away: bool) -> None:
        self.outages += away
        super()._set_away(away)


class BuggyResolverKit(ResolverConformance):
    """Less patient, so that what never comes is found soon."""

    resolver_class: type[FakeResolver] = FakeResolver

    @pytest.fixture
    def registry(self) -> FakeRegistry:
        return _Registry(self.resolver_class)

    @pytest.fixture
    def prompt(self) -> float:
        return 0.5

    @pytest.fixture
    def patience(self) -> float:
        return 0.5


class PatientResolverKit(BuggyResolverKit):
    """For what is late."""

    @pytest.fixture
    def patience(self) -> float:
        return 10.0


class Healthy(FakeResolver):
    """Nothing is broken."""


class ReturnsAList(FakeResolver):
    """Of what it finds, and of nothing."""

    def resolve(self, name: str) -> Endpoints:
        return list(super().resolve(name))  # type: ignore[return-value]


class RaisesForUnknown(FakeResolver):
    """Nobody is an error."""

    def resolve(self, name: str) -> Endpoints:
        found = super().resolve(name)
        if not found:
            raise TransportError(f"there is no {name}")
        return found


class MatchesPrefixes(FakeResolver):
    """It asks for all names that begin so."""

    def resolve(self, name: str) -> Endpoints:
        table = self._registry._table.values()
        return tuple(endpoint for endpoint in table if endpoint.name.startswith(name))


class OnlyTheFirst(FakeResolver):
    """Of several it knows one."""

    def resolve(self, name: str) -> Endpoints:
        return super().resolve(name)[:1]


class KeepsTheUid(FakeResolver):
    """An address is the same endpoint for ever."""

    def resolve(self, name: str) -> Endpoints:
        return tuple(evolve(endpoint, uid=endpoint.address) for endpoint in super().resolve(name))


class RemembersForEver(FakeResolver):
    """It asks once."""

    def __init__(self, registry: FakeRegistry) -> None:
        super().__init__(registry)
        self._known: dict[str, Endpoints] = {}

    def resolve(self, name: str) -> Endpoints:
        if name not in self._known:
            self._known[name] = super().resolve(name)
        return self._known[name]


class TakesItsTime(FakeResolver):
    """It answers when it has an answer that is worth it."""

    def resolve(self, name: str) -> Endpoints:
        found = super().resolve(name)
        if not found:
            threading.Event().wait(0.6)
        return found


class NeverAnswers(FakeResolver):
    """It waits for the first who comes, until it is closed."""

    def __init__(self, registry: FakeRegistry) -> None:
        super().__init__(registry)
        self._closed = threading.Event()

    def resolve(self, name: str) -> Endpoints:
        found = super().resolve(name)
        if not found:
            self._closed.wait()
        return found

    def close(self) -> None:
        self._closed.set()
        super().close()


class WaitsOutAnOutage(FakeResolver):
    """It asks again and again, however little time it is given."""

    def resolve_within(self, name: str, timeout: float) -> Endpoints:
        for _ in range(30):
            try:
                return self.resolve(name)
            except NotSent:
                threading.Event().wait(0.05)
        return ()


class NotForThreads(FakeResolver):
    """One question at a time, and it is not guarded."""

    _asking = False

    def resolve(self, name: str) -> Endpoints:
        if self._asking:
            raise RuntimeError("the connection is in use")
        self._asking = True
        try:
            threading.Event().wait(0.001)  # a question takes its time
            return super().resolve(name)
        finally:
            self._asking = False


class ClosesForAll(FakeResolver):
    """All resolvers share one connection."""

    def close(self) -> None:
        super().close()
        self._registry._away = True


class SaysNothingNow(FakeResolver):
    """A watch waits for the first change."""

    def watch(self, name: str, changed: Changed) -> Callable[[], None]:
        first = True

        def later(endpoints: Endpoints) -> None:
            nonlocal first
            if not first:
                changed(endpoints)
            first = False

        return super().watch(name, later)


class MissesWhatGoes(FakeResolver):
    """A watch tells only of what comes."""

    def watch(self, name: str, changed: Changed) -> Callable[[], None]:
        known: set[Endpoint] = set()

        def came(endpoints: Endpoints) -> None:
            if not endpoints and known:
                return
            known.update(endpoints)
            changed(endpoints)

        return super().watch(name, came)


class TellsLateWhatGoes(FakeResolver):
    """A watch tells of what comes, and some time later of what goes."""

    def _tell(self, changed: Changed, found: Endpoints) -> None:
        if not found:
            threading.Event().wait(1.1)
        super()._tell(changed, found)


class TellsLateWhatComes(FakeResolver):
    """As before, the other way round."""

    def _tell(self, changed: Changed, found: Endpoints) -> None:
        if found:
            threading.Event().wait(1.1)
        super()._tell(changed, found)


class ComparesAddresses(FakeResolver):
    """A watch takes the same address for the same endpoint."""

    def watch(self, name: str, changed: Changed) -> Callable[[], None]:
        told: list[list[str]] = []

        def differs(endpoints: Endpoints) -> None:
            addresses = [endpoint.address for endpoint in endpoints]
            if addresses and addresses in told:
                return
            told.append(addresses)
            changed(endpoints)

        return super().watch(name, differs)


class TellsTheEnded(FakeResolver):
    """To end a watch does nothing."""

    def watch(self, name: str, changed: Changed) -> Callable[[], None]:
        super().watch(name, changed)
        return lambda: None


class DiesOfItsListener(FakeResolver):
    """What a listener raises ends its watch."""

    def _tell(self, changed: Changed, found: Endpoints) -> None:
        changed(found)


class DiesInAnOutage(FakeResolver):
    """A watch ends with its connection."""

    def _follow(self, name: str, changed: Changed, ended: threading.Event) -> None:
        assert isinstance(self._registry, _Registry)
        for _ in self._registry.changes(ended):
            if self._registry.outages:
                return
            self._tell(changed, self.resolve(name))


class LeavesAThread(FakeResolver):
    """It closes nothing."""

    def __init__(self, registry: FakeRegistry) -> None:
        super().__init__(registry)
        self._threads = get_thread_registry().container

    def close(self) -> None:
        return


BUGS: Final[dict[type[FakeResolver], str]] = {
    ReturnsAList: "tuple",
    RaisesForUnknown: "unknown",
    MatchesPrefixes: "known",
    OnlyTheFirst: "several",
    KeepsTheUid: "new_uid",
    RemembersForEver: "changes",
    TakesItsTime: "bounded",
    NeverAnswers: "bounded",
    WaitsOutAnOutage: "outage",
    NotForThreads: "threads",
    ClosesForAll: "close",
    SaysNothingNow: "watch_tells_now",
    MissesWhatGoes: "watch_tells_changes",
    ComparesAddresses: "watch_tells_a_new_uid",
    TellsTheEnded: "watches_are_apart",
    DiesOfItsListener: "watch_survives_its_listener",
    DiesInAnOutage: "watch_survives_an_outage",
    LeavesAThread: "watch_leaves_no_thread",
}

LATE: Final[tuple[type[FakeResolver], ...]] = (TellsLateWhatComes, TellsLateWhatGoes)
