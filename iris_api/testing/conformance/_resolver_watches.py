"""Watches: what they tell, how soon, and what they survive."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
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
NewTold = Callable[[], Told]


class WatchRules:
    @pytest.fixture
    def watch(self, resolver: Resolver) -> Watch:
        """Not to be overridden. Skips the rule where the resolver has no `watch`."""
        return _watch_of(resolver)

    @pytest.fixture
    def told(self, patience: float) -> NewTold:
        """Not to be overridden."""
        return partial(Told, patience)

    def test_watch_tells_now(
        self, registry: Registry, told: NewTold, open_resolver: Callable[[], Resolver]
    ) -> None:
        """A watch tells at once who has the name, also when that is nobody, and always a tuple."""
        registry.register("calc", _A)
        watch = _watch_of(open_resolver())
        known, unknown = told(), told()
        watch("calc", known)
        watch("nobody", unknown)
        known.becomes(_A)
        unknown.becomes()
        assert {type(endpoints) for endpoints in known.all + unknown.all} == {tuple}

    @needs("changes")
    def test_watch_tells_changes(self, registry: Registry, told: NewTold, watch: Watch) -> None:
        """A watch tells of what comes and what goes, within a second."""
        seen = told()
        watch("calc", seen)
        seen.becomes()
        to_come, to_go = [], []
        for _ in range(3):
            uid = registry.register("calc", _A)
            to_come.append(_seconds(lambda: seen.becomes(_A)))
            registry.unregister(uid)
            to_go.append(_seconds(seen.becomes))
        for what, took in (("comes", to_come), ("goes", to_go)):
            assert statistics.median(took) < _SOON, f"what {what} was told after these seconds: {took}"

    @needs("uids")
    def test_watch_tells_a_new_uid(self, registry: Registry, told: NewTold, watch: Watch) -> None:
        """A name that is registered again, at the same address, is a change: the uid is another one."""
        seen = told()
        first = registry.register("calc", _A)
        watch("calc", seen)
        seen.becomes(_A)
        registry.unregister(first)
        second = registry.register("calc", _A)
        wait_for_condition(lambda: [one.uid for one in seen.all[-1]] == [second], seen.patience)
        assert second != first

    @needs("changes")
    def test_watches_are_apart(self, registry: Registry, told: NewTold, watch: Watch) -> None:
        """Each watch is told of its own name, several of one name as well; one that is ended, idempotently,
        is told nothing more, and the others go on."""
        one, same, other = told(), told(), told()
        end = watch("calc", one)
        watch("calc", same)
        watch("other", other)
        for each in (one, same, other):
            each.becomes()
        uid = registry.register("calc", _A)
        one.becomes(_A)
        same.becomes(_A)
        end()
        end()
        registry.register("other", _B)
        other.becomes(_B)
        registry.unregister(uid)
        same.becomes()
        assert one.last_is(_A), "a watch that was ended was told of a change"
        assert all(endpoint.address == _B for endpoints in other.all for endpoint in endpoints)

    @needs("changes")
    def test_watch_survives_its_listener(self, registry: Registry, told: NewTold, watch: Watch) -> None:
        """A listener that raises is told of the next change all the same."""

        class Broken(Told):
            def __call__(self, endpoints: tuple[Any, ...]) -> None:
                super().__call__(endpoints)
                raise ZeroDivisionError("in a listener of the kit")

        seen = Broken(told().patience)
        watch("calc", seen)
        seen.becomes()
        registry.register("calc", _A)
        seen.becomes(_A)

    @needs("outages")
    def test_watch_survives_an_outage(self, registry: Registry, told: NewTold, watch: Watch) -> None:
        """A watch survives a broken connection: it tells what changed meanwhile, and what changes later."""
        assert isinstance(registry, SupportsOutage)
        seen = told()
        watch("calc", seen)
        seen.becomes()
        with registry.outage():
            first = registry.register("calc", _A)
        seen.becomes(_A)
        registry.unregister(first)
        seen.becomes()

    def test_watch_leaves_no_thread(self, registry: Registry, told: NewTold) -> None:
        """A resolver that is closed leaves no thread behind, nor do watches that were not ended."""
        before = thread_snapshot()
        resolver = registry.resolver()
        seen = told()
        watch = _watch_of(resolver)
        watch("calc", seen)
        seen.becomes()
        resolver.close()
        assert leaked_threads(before) == []


def _watch_of(resolver: Resolver) -> Watch:
    if not isinstance(resolver, SupportsWatch):
        resolver.close()
        pytest.skip("not promised: the resolver has no watch (SupportsWatch)")
    return resolver.watch


def _seconds(wait: Callable[[], None]) -> float:
    began = time.monotonic()
    wait()
    return time.monotonic() - began
