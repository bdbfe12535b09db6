"""FakeRegistry: names in memory, and the resolvers that ask it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from iris_api.errors import NotSent
from iris_api.ids import new_uid
from iris_api.resolver import Endpoint, Resolver
from iris_api.threads import get_thread_registry

__all__ = ["FakeRegistry", "FakeResolver"]

_log = logging.getLogger("iris.testing")

Changed = Callable[[tuple[Endpoint, ...]], None]


class FakeRegistry:
    """A verified fake of whoever knows the names. Safe from several threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._table: dict[str, Endpoint] = {}  # by uid
        self._version = 0
        self._away = False

    def resolver(self) -> FakeResolver:
        return FakeResolver(self)

    def register(self, name: str, address: str) -> str:
        endpoint = Endpoint(name, address, new_uid())
        with self._changed:
            self._table[endpoint.uid] = endpoint
            self._bump()
        return endpoint.uid

    def unregister(self, uid: str) -> None:
        with self._changed:
            self._table.pop(uid, None)
            self._bump()

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Resolvers cannot ask meanwhile."""
        self._set_away(True)
        try:
            yield
        finally:
            self._set_away(False)

    def ask(self, name: str) -> tuple[Endpoint, ...]:
        """Raises NotSent in an outage."""
        with self._changed:
            if self._away:
                raise NotSent("the registry is out of reach")
            return tuple(endpoint for endpoint in self._table.values() if endpoint.name == name)

    def changes(self, ended: threading.Event) -> Iterator[None]:
        """Goes on now, and whenever something may have changed, until `ended`, whose setter calls `wake`."""
        known = -1
        while not ended.is_set():
            with self._changed:
                while not ended.is_set() and self._version == known:
                    self._changed.wait()
                known = self._version
            yield

    def wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _set_away(self, away: bool) -> None:
        with self._changed:
            self._away = away
            self._bump()

    def _bump(self) -> None:
        self._version += 1
        self._changed.notify_all()


class FakeResolver(Resolver):
    """A verified fake; each watch is a thread."""

    def __init__(self, registry: FakeRegistry) -> None:
        self._registry = registry
        self._threads = get_thread_registry().container.child("fake-resolver")

    def resolve(self, name: str) -> tuple[Endpoint, ...]:
        return self._registry.ask(name)

    def watch(self, name: str, changed: Changed) -> Callable[[], None]:
        ended = threading.Event()

        def end() -> None:
            ended.set()
            self._registry.wake()

        self._threads.spawn(lambda _: self._follow(name, changed, ended), f"watch-{name}", on_stop=end)
        return end

    def close(self) -> None:
        self._threads.stop()

    def _follow(self, name: str, changed: Changed, ended: threading.Event) -> None:
        last: tuple[Endpoint, ...] | None = None
        for _ in self._registry.changes(ended):
            try:
                found = self.resolve(name)
            except NotSent:  # again, after the outage
                continue
            if found != last and not ended.is_set():
                last = found
                self._tell(changed, found)

    def _tell(self, changed: Changed, found: tuple[Endpoint, ...]) -> None:
        try:
            changed(found)
        except Exception:
            _log.exception("a watch failed in its listener")
