"""PoolKeeper: has every pool keep its minimum of slices, through the platform's Machines."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from attrs import frozen

from iris_api.errors import Denied, NoCapacity, PlatformError
from iris_api.ids import new_id
from iris_api.platform import Machines, Slice, SliceRequest, SliceState
from iris_api.plugins import PluginCalls
from iris_api.resources import ResourceSpec
from iris_api.threads import ThreadContainer, get_thread_registry

__all__ = ["Plan", "Pool", "PoolKeeper", "Wait", "delete_slices", "plan"]

_log = logging.getLogger("iris.pools")
_PERIOD: Final = 10.0  # seconds between two looks at what there is
_SOON: Final = 0.5  # seconds to the next look after something was changed
_FIRST_PAUSE: Final = 1.0  # seconds after the first failure in a row, doubling
_LONGEST_PAUSE: Final = 300.0
_NAME: Final = 46  # letters of a pool's name in a slice's id, so that "<id>-<index>" is a label too


@frozen(kw_only=True)
class Pool:
    """A pool of the configuration with who makes its machines, if anybody does: workers of a pool
    without `machines` join of their own accord. `plugin` is how messages name whose `machines` they are."""

    name: str
    machines: Machines | None = None
    min: int = 0
    max: int = 1
    size: int = 1
    template: Any = None
    resources: ResourceSpec | None = None
    plugin: str = ""


@frozen
class Plan:
    """How many slices to make, and which to delete."""

    create: int = 0
    delete: tuple[Slice, ...] = ()


@frozen
class Wait:
    """Why a pool is left alone until a monotonic time. `stopped`: for good, a person must act."""

    failures: int = 0
    until: float = 0.0
    reason: str = ""
    stopped: bool = False

    def after(self, error: Exception, mono: float) -> Wait:
        """The wait that follows a failure: a refusal for want of a right will not go away by asking."""
        failures = self.failures + 1
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(failures - 1, 30))
        notes = [f" ({note})" for note in getattr(error, "__notes__", ())]
        reason = f"{type(error).__name__}: {error}{''.join(notes)}"
        return Wait(failures, mono + pause, reason, isinstance(error, Denied))


def plan(pool: Pool, slices: Iterable[Slice], wait: Wait, mono: float) -> Plan:
    """What brings a pool to its minimum: a failed slice is deleted, and does not count; nothing is made
    while a pool waits or beyond its maximum. Surplus is left alone: it may be at work."""
    own = [one for one in slices if one.pool == pool.name]
    failed = tuple(one for one in own if one.state is SliceState.FAILED)
    present = sum(one.state in (SliceState.CREATING, SliceState.READY) for one in own)
    if wait.stopped or mono < wait.until:
        return Plan(delete=failed)
    return Plan(create=max(0, min(pool.min, pool.max) - present), delete=failed)


class PoolKeeper:
    """A loop of its own, so that a slow platform delays nothing else. `start` and `stop` once each."""

    def __init__(
        self,
        pools: Sequence[Pool],
        threads: ThreadContainer | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        period: float = _PERIOD,
    ) -> None:
        owner = threads if threads is not None else get_thread_registry().container
        self._threads = owner.child("pool-keeper")
        self._pools = [pool for pool in pools if pool.machines is not None]
        self._waits = {pool.name: Wait() for pool in self._pools}
        self._calls = {pool.name: PluginCalls(pool.plugin, clock=clock) for pool in self._pools}
        self._clock = clock
        self._period = period

    def start(self) -> None:
        """Keep each pool from a thread of its own; does not block."""
        if self._pools:
            self._threads.spawn_loop(self._watch, "pool-watch")
        for pool in self._pools:
            self._threads.spawn_loop(lambda stop, pool=pool: self._keep(pool, stop), f"pool-{pool.name}")  # type: ignore[misc]

    def stop(self, timeout: float = 5.0) -> None:
        """Stop keeping. Deletes nothing: what runs goes on for a controller that comes back."""
        self._threads.stop(timeout)

    def waits(self) -> dict[str, Wait]:
        """By pool, what went wrong last, and until when nothing new is made."""
        return dict(self._waits)

    def troubles(self) -> dict[str, str]:
        """By pool, which call its platform does not return from: the pool stands still until then."""
        return {
            name: f"pool {name}: {late}; nothing is made or deleted there until it does"
            for name, calls in self._calls.items()
            for late in calls.overdue()
        }

    def step(self, pool: Pool) -> bool:
        """Look once and act; True if something was changed. What the platform raises is a reason to wait."""
        assert pool.machines is not None
        calls = self._calls[pool.name]
        try:
            wanted = plan(pool, self._look(pool), self._waits[pool.name], self._clock())
            for failed in wanted.delete:
                why = f": {failed.message}" if failed.message else ""
                _log.warning("pool %s: slice %s has failed and is deleted%s", pool.name, failed.slice_id, why)
                with calls.during("delete()"):
                    pool.machines.delete(failed.slice_id)
            for _ in range(wanted.create):
                with calls.during("create()"):
                    made = pool.machines.create(_request(pool))
                calls.checked(made, Slice, "create()")
        except Exception as error:
            self._note(pool, error)
            return False
        if wanted.create:
            self._waits[pool.name] = Wait()
        return bool(wanted.create or wanted.delete)

    def _look(self, pool: Pool) -> Sequence[Slice]:
        assert pool.machines is not None
        calls = self._calls[pool.name]
        with calls.during("list()"):
            found = pool.machines.list()
        return [
            calls.checked(one, Slice, "each item of list()")
            for one in calls.checked(found, Sequence, "list()")
        ]

    def _watch(self, stop: threading.Event) -> None:
        """Log each trouble once."""
        known: set[str] = set()
        while not stop.wait(self._period):
            troubles = self.troubles()
            for name in troubles.keys() - known:
                _log.error("%s", troubles[name])
            known = set(troubles)

    def _keep(self, pool: Pool, stop: threading.Event) -> None:
        while not stop.is_set():
            changed = self.step(pool)
            wait = self._waits[pool.name]
            pause = max(_SOON, wait.until - self._clock()) if wait.failures else self._period
            stop.wait(min(self._period, _SOON if changed else pause))

    def _note(self, pool: Pool, error: Exception) -> None:
        """Log a failure once in full; the same again is only counted."""
        before = self._waits[pool.name]
        wait = self._waits[pool.name] = before.after(error, self._clock())
        if wait.reason == before.reason:
            return
        what = "nothing more is made until this is set right" if wait.stopped else "trying again later"
        known = isinstance(error, NoCapacity | Denied)
        _log.warning("pool %s: %s; %s", pool.name, wait.reason, what, exc_info=None if known else error)


def delete_slices(pools: Iterable[Pool], threads: ThreadContainer, timeout: float) -> list[str]:
    """Have every slice deleted, of all pools side by side; returns the ids of those that go, after at most
    about `timeout` seconds. Pools that are still kept make new ones."""
    going: list[str] = []

    def delete(machines: Machines) -> None:
        try:
            for one in machines.list():
                machines.delete(one.slice_id)
                going.append(one.slice_id)
        except PlatformError as error:
            _log.error("machines may be left: %s", error)

    makers = {id(pool.machines): pool.machines for pool in pools if pool.machines is not None}
    ends = [threads.spawn(lambda _stop, m=machines: delete(m), "end-slices") for machines in makers.values()]  # type: ignore[misc]
    deadline = time.monotonic() + timeout
    for end in ends:
        end.join(max(0.0, deadline - time.monotonic()))
    return list(going)


def _request(pool: Pool) -> SliceRequest:
    name = new_id(pool.name[:_NAME].rstrip("-"))
    return SliceRequest(
        slice_id=name,
        pool=pool.name,
        size=pool.size,
        template=pool.template,
        resources=pool.resources,
    )
