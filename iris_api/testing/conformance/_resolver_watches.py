"""Watches: what they tell, how soon, and what they survive."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, Final

import pytest

from iris_api.resolver import Resolver, SupportsWatch
from iris_api.testing.conformance._registry import Registry, SupportsOutage, Told
from iris_api.testing.conformance.base import needs
from iris_api.testing.leaks import leaked_threads, thread_snapshot
from iris_api.testing.waiting import wait_for_condition

__all__ = ["WatchRules"]

_SOON: Final = 1.0  # seconds until a change is told
_A, _B = "http://127.0.0.1:1001", "http://127.0.0.1:1002"

Watch = Callable[[str, Told], Callable[[], None]]


class WatchRules:
    @pytest.fixture
    def watch(self, resolver: Resolver) -> Watch:
        """Not to be overridden. Skips the rule where the resolver has no `watch`."""
        return _watch_of(resolver)

    def test_watch_tells_now(self, registry: Registry, open_resolver: Callable[[], Resolver]) -> None:
        """A watch tells at once who has the name, also when that is nobody, and always a tuple."""
        registry.register("calc", _A)
        watch = _watch_of(open_resolver())
        known, unknown = Told(), Told()
        watch("calc", known)
        watch("nobody", unknown)
        wait_for_condition(lambda: known.last_is(_A) and unknown.all == [()])
        assert {type(endpoints) for endpoints in known.all + unknown.all} == {tuple}

    @needs("changes")
    def test_watch_tells_changes(self, registry: Registry, watch: Watch) -> None:
        """A watch tells of what comes and what goes, within a second."""
        told = Told()
        watch("calc", told)
        wait_for_condition(lambda: told.last_is())
        took = []
        for _ in range(3):
            uid, came = _timed(lambda: registry.register("calc", _A), lambda: told.last_is(_A))
            _, went = _timed(lambda uid=uid: registry.unregister(uid), lambda: told.last_is())  # type: ignore[misc]
            took += [came, went]
        assert statistics.median(took) < _SOON, f"seconds that six changes took: {took}"

    @needs("uids")
    def test_watch_tells_a_new_uid(self, registry: Registry, watch: Watch) -> None:
        """A name that is registered again, at the same address, is a change: the uid is another one."""
        told = Told()
        first = registry.register("calc", _A)
        watch("calc", told)
        wait_for_condition(lambda: told.last_is(_A))
        registry.unregister(first)
        second = registry.register("calc", _A)
        wait_for_condition(lambda: [one.uid for one in told.all[-1]] == [second])
        assert second != first

    @needs("changes")
    def test_watches_are_apart(self, registry: Registry, watch: Watch) -> None:
        """Each watch is told of its own name, several of one name as well; one that is ended, idempotently,
        is told nothing more, and the others go on."""
        one, same, other = Told(), Told(), Told()
        end = watch("calc", one)
        watch("calc", same)
        watch("other", other)
        wait_for_condition(lambda: one.last_is() and same.last_is() and other.last_is())
        registry.register("calc", _A)
        wait_for_condition(lambda: one.last_is(_A) and same.last_is(_A))
        end()
        end()
        registry.register("other", _B)
        wait_for_condition(lambda: other.last_is(_B))
        registry.register("calc", _B)
        wait_for_condition(lambda: same.last_is(_A, _B))
        assert one.last_is(_A), "a watch that was ended was told of a change"
        assert all(endpoint.address == _B for endpoints in other.all for endpoint in endpoints)

    @needs("changes")
    def test_watch_survives_its_listener(
        self, registry: Registry, watch: Watch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A listener that raises is told of the next change all the same."""

        class Broken(Told):
            def __call__(self, endpoints: tuple[Any, ...]) -> None:
                super().__call__(endpoints)
                raise ZeroDivisionError("in a listener of the kit")

        told = Broken()
        watch("calc", told)
        wait_for_condition(lambda: told.last_is())
        registry.register("calc", _A)
        wait_for_condition(lambda: told.last_is(_A))
        caplog.clear()

    @needs("outages")
    def test_watch_survives_an_outage(self, registry: Registry, watch: Watch) -> None:
        """A watch survives a broken connection: it tells what changed meanwhile, and what changes later."""
        assert isinstance(registry, SupportsOutage)
        told = Told()
        watch("calc", told)
        wait_for_condition(lambda: told.last_is())
        with registry.outage():
            first = registry.register("calc", _A)
        wait_for_condition(lambda: told.last_is(_A), timeout=15.0)
        registry.unregister(first)
        wait_for_condition(lambda: told.last_is(), timeout=15.0)

    def test_watch_leaves_no_thread(self, registry: Registry) -> None:
        """A resolver that is closed leaves no thread behind, nor do watches that were not ended."""
        before = thread_snapshot()
        resolver = registry.resolver()
        told = Told()
        watch = _watch_of(resolver)
        watch("calc", told)
        wait_for_condition(lambda: told.last_is())
        resolver.close()
        assert leaked_threads(before) == []


def _watch_of(resolver: Resolver) -> Watch:
    if not isinstance(resolver, SupportsWatch):
        resolver.close()
        pytest.skip("not promised: the resolver has no watch (SupportsWatch)")
    return resolver.watch


def _timed(change: Callable[[], Any], told: Callable[[], bool]) -> tuple[Any, float]:
    """What `change` returns, and how long it then took until it was told."""
    found = change()
    began = time.monotonic()
    wait_for_condition(told)
    return found, time.monotonic() - began
