"""ResolverConformance: what every resolver has to keep."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import ClassVar, Final

import pytest

from iris_api.errors import TransportError
from iris_api.resolver import Endpoint, Resolver
from iris_api.testing.conformance._calls import within
from iris_api.testing.conformance._registry import Registry, SupportsOutage
from iris_api.testing.conformance._resolver_watches import WatchRules
from iris_api.testing.conformance.base import Conformance, given, needs, override
from iris_api.testing.waiting import wait_for_condition
from iris_api.threads import ThreadContainer

__all__ = ["Registry", "ResolverConformance", "SupportsOutage"]

_A, _B = "http://127.0.0.1:1001", "http://127.0.0.1:1002"
_HANGS: Final = 15.0  # seconds after which an answer is not waited for any more


class ResolverConformance(WatchRules, Conformance):
    """Subclass it and override `registry`::

    class TestMine(ResolverConformance):
        @pytest.fixture
        def registry(self) -> Registry:
            return MyRegistry()
    """

    kind = "resolver"
    abilities: ClassVar[Mapping[str, str]] = {
        "changes": "names come and go while a resolver is open",
        "several": "a name may have several endpoints",
        "uids": "endpoints carry the uid of their registration",
        "outages": "whoever knows the names may be out of reach; the registry has `outage` for that",
    }

    @pytest.fixture
    @given(required=True)
    def registry(self) -> Registry:
        """Whoever knows the names: it makes resolvers, and changes what they tell behind their back."""
        found: Registry = override("registry")
        return found

    @pytest.fixture
    @given()
    def prompt(self) -> float:
        """Seconds in which an answer has to come, and to follow a change."""
        return 5.0

    @pytest.fixture
    @given()
    def patience(self) -> float:
        """Seconds until all is as before after an outage, and that anything may take on a busy machine."""
        return 15.0

    @pytest.fixture
    def open_resolver(self, registry: Registry) -> Iterator[Callable[[], Resolver]]:
        """Makes resolvers, which are closed at the end."""
        made: list[Resolver] = []

        def make() -> Resolver:
            made.append(registry.resolver())
            return made[-1]

        yield make
        for resolver in made:
            resolver.close()

    @pytest.fixture
    def resolver(self, open_resolver: Callable[[], Resolver]) -> Resolver:
        return open_resolver()

    def test_known(self, registry: Registry, open_resolver: Callable[[], Resolver]) -> None:
        """A registered name is found, with its address; another name's endpoints are not."""
        registry.register("calc", _A)
        registry.register("calculator", _B)
        resolver = open_resolver()
        assert _addresses(resolver, "calc") == [_A]
        assert _addresses(resolver, "calculator") == [_B]

    @needs("several")
    def test_several(self, registry: Registry, open_resolver: Callable[[], Resolver]) -> None:
        """A name that several have gives them all."""
        registry.register("calc", _A)
        registry.register("calc", _B)
        assert _addresses(open_resolver(), "calc") == [_A, _B]

    @pytest.mark.parametrize("name", ["nobody", "calc-2", "a"])
    def test_unknown(self, registry: Registry, open_resolver: Callable[[], Resolver], name: str) -> None:
        """A name that nobody has is empty, never an error."""
        registry.register("calc", _A)
        assert _addresses(open_resolver(), name) == []

    def test_tuple(self, registry: Registry, open_resolver: Callable[[], Resolver], prompt: float) -> None:
        """The answer is always a tuple of endpoints, whether the name is known or not."""
        registry.register("calc", _A)
        resolver = open_resolver()
        for found in (*_both(resolver, "calc", prompt), *_both(resolver, "nobody", prompt)):
            assert type(found) is tuple
            assert all(isinstance(endpoint, Endpoint) for endpoint in found)

    def test_bounded(self, registry: Registry, open_resolver: Callable[[], Resolver], prompt: float) -> None:
        """Both `resolve` and `resolve_within` answer within bounded time, for known and unknown names."""
        registry.register("calc", _A)
        resolver = open_resolver()
        for name in ("calc", "nobody"):
            within(prompt, partial(resolver.resolve, name), f"resolve of {name}")
            within(prompt, partial(resolver.resolve_within, name, prompt / 2), f"resolve_within of {name}")

    @needs("changes")
    def test_changes(self, registry: Registry, resolver: Resolver, prompt: float) -> None:
        """An open resolver finds what comes, and no longer what has gone, within a few seconds."""
        assert _addresses(resolver, "calc") == []
        uid = registry.register("calc", _A)
        wait_for_condition(lambda: _addresses(resolver, "calc") == [_A], prompt)
        registry.unregister(uid)
        wait_for_condition(lambda: _addresses(resolver, "calc") == [], prompt)

    @needs("uids")
    def test_new_uid(self, registry: Registry, resolver: Resolver, prompt: float) -> None:
        """An endpoint that is registered again has a new uid, also at the same address."""
        first = registry.register("calc", _A)
        wait_for_condition(lambda: _uids(resolver, "calc") == [first], prompt)
        registry.unregister(first)
        second = registry.register("calc", _A)
        assert second != first
        wait_for_condition(lambda: _uids(resolver, "calc") == [second], prompt)

    @needs("outages")
    def test_outage(self, registry: Registry, resolver: Resolver, prompt: float, patience: float) -> None:
        """In an outage `resolve_within` keeps its time, with an answer or a TransportError; afterwards the
        resolver finds what there is."""
        assert isinstance(registry, SupportsOutage)
        _addresses(resolver, "calc")
        with registry.outage():
            with ThreadContainer("conformance") as threads:
                asked = threads.spawn_executor(1, "conformance").submit(resolver.resolve_within, "calc", 0.5)
                try:
                    assert asked.result(0.5 + prompt) == ()
                except TransportError:
                    pass
            registry.register("calc", _A)

        def found() -> bool:
            try:
                return [one.address for one in resolver.resolve_within("calc", prompt)] == [_A]
            except TransportError:
                return False

        wait_for_condition(found, patience)

    def test_threads(
        self, registry: Registry, open_resolver: Callable[[], Resolver], patience: float
    ) -> None:
        """Several threads may ask one resolver at the same time."""
        names = {f"calc-{i}": f"http://127.0.0.1:{2000 + i}" for i in range(8)}
        for name, address in names.items():
            registry.register(name, address)
        resolver = open_resolver()

        def ask(name: str) -> bool:
            return all(_addresses(resolver, name) == [names[name]] for _ in range(20))

        with ThreadContainer("conformance") as threads:
            executor = threads.spawn_executor(8, "conformance")
            asked = [executor.submit(partial(ask, name)) for name in names]
            assert [one.result(patience) for one in asked] == [True] * 8

    def test_close(self, registry: Registry, open_resolver: Callable[[], Resolver]) -> None:
        """Closing is idempotent, and takes nothing from another resolver of the same names."""
        registry.register("calc", _A)
        one, other = open_resolver(), open_resolver()
        assert _addresses(one, "calc") == [_A]
        one.close()
        one.close()
        assert _addresses(other, "calc") == [_A]


def _found(resolver: Resolver, name: str) -> tuple[Endpoint, ...]:
    """One that hangs fails its rule, and not the author's whole run."""
    return within(_HANGS, lambda: resolver.resolve(name), f"resolve of {name}")


def _both(resolver: Resolver, name: str, timeout: float) -> list[tuple[Endpoint, ...]]:
    asked = within(_HANGS, lambda: resolver.resolve_within(name, timeout), f"resolve_within of {name}")
    return [_found(resolver, name), asked]


def _addresses(resolver: Resolver, name: str) -> list[str]:
    return sorted(endpoint.address for endpoint in _found(resolver, name))


def _uids(resolver: Resolver, name: str) -> list[str]:
    return [endpoint.uid for endpoint in _found(resolver, name)]
