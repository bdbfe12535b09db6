"""Pruner: forgets ended jobs, and removes logs and bundles that nobody needs any more, a bite at a time."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from iris_api.errors import Refused
from iris_api.ids import JobId
from iris_api.threads import ManagedThread, ThreadContainer
from iris_controller.bundles import BundleStore
from iris_controller.clock import Now
from iris_controller.log_files import remove_logs, roots, sizes
from iris_controller.logs import LogStore
from iris_controller.loop import ControlLoop
from iris_controller.retention import (
    Retention,
    bundles_in_use,
    forget,
    forget_tasks,
    logs_to_remove,
    orphaned,
    overdue,
)
from iris_controller.rows import Job
from iris_controller.state import Draft, Index

__all__ = ["Pruner"]

_log = logging.getLogger("iris.controller")
_LOOK: Final = 1.0  # seconds between two looks at the number of ended jobs
_SLOW: Final = 60.0  # seconds between two looks at everything else
_BITE: Final = 300  # rows that one turn of the control loop forgets: some 8 ms
_BETWEEN: Final = 0.02  # seconds for others between two bites
_ANSWER: Final = 30.0  # seconds for a turn
_WALK: Final = 3600.0  # seconds after which the logs are measured anew in any case

T = TypeVar("T")


class Pruner:
    """A thread of its own, so that the disk delays nobody. `start` and `stop` once each. `moved`: by how
    many seconds the wall clock was moved before."""

    def __init__(
        self,
        loop: ControlLoop,
        logs: LogStore,
        bundles: BundleStore,
        retention: Retention,
        *,
        moved: float = 0.0,
        look: float = _LOOK,
        slow: float = _SLOW,
    ) -> None:
        self._loop = loop
        self._logs = logs
        self._bundles = bundles
        self._retention = retention
        self._moved, self._began = moved, loop.clock()
        self._look, self._slow = look, slow
        self._remains: list[JobId] | None = []  # forgotten jobs that have tasks yet; None: to be found
        self._looked = -slow
        self._measured = (-_WALK, 0, 0)  # when, bytes that were there, and that had been written by then
        self._thread: ManagedThread | None = None

    def start(self, threads: ThreadContainer) -> None:
        """The control loop must have started."""
        self._thread = threads.spawn_loop(self._run, "pruner")

    def stop(self, timeout: float) -> None:
        """Idempotent."""
        if self._thread is not None:
            self._thread.stop(timeout)

    def _run(self, stop: threading.Event) -> None:
        self._remove_strays()
        while not stop.wait(self._look):
            try:
                self._prune(stop)
            except Refused as refusal:  # the loop stops, or cannot store now; the next look may do
                self._remains = None
                _log.debug("nothing is pruned: %s", refusal)

    def _remove_strays(self) -> None:
        """Finish what a controller that was killed had begun: it had forgotten these jobs."""
        there = roots(self._logs.directory)
        known = self._ask(lambda draft, now: {job.id.root for job in draft.rows(Job)}) if there else set()
        for root in there:
            if root not in known:
                self._logs.discard(root)

    def _prune(self, stop: threading.Event) -> None:
        slow = time.monotonic() - self._looked >= self._slow
        if slow or self._remains != [] or self._too_many():
            self._forget(stop)
        if slow and not stop.is_set():
            self._bound_logs()
            self._drop_bundles()
            self._looked = time.monotonic()

    def _too_many(self) -> bool:
        return self._loop.state.count(Index.ENDED_ROOTS, "") > self._retention.ended

    def _forget(self, stop: threading.Event) -> None:
        """Bite by bite, until there is nothing left to forget."""
        wall, more = self._wall(), True
        roots = self._ask(lambda draft, now: overdue(draft, self._retention, wall))
        while more and not stop.wait(_BETWEEN):
            self._remains, more = self._ask(functools.partial(_bite, self._remains, roots))

    def _bound_logs(self) -> None:
        when, there, written = self._measured
        grown = there + self._logs.written - written
        if grown <= self._retention.log_bytes and time.monotonic() - when < _WALK:
            return
        written, found = self._logs.written, sizes(self._logs.directory)
        ended = self._ask(lambda draft, now: draft.ids(Index.ENDED_ROOTS, ""))
        chosen = logs_to_remove(found, ended, self._retention.log_bytes)
        for root in chosen:
            remove_logs(self._logs.directory, root)
        if chosen:
            _log.warning("logs were over their limit: removed those of %d jobs that have ended", len(chosen))
        left = sum(found.values()) - sum(found[root] for root in chosen)
        self._measured = time.monotonic(), left, written

    def _drop_bundles(self) -> None:
        before = self._wall() - self._retention.bundles
        unused = self._bundles.unused(before)
        if unused:
            needed = self._ask(lambda draft, now: bundles_in_use(draft))
            for digest in unused:
                if digest not in needed:
                    self._bundles.remove(digest, before)

    def _wall(self) -> float:
        """The wall clock without what it was set ahead: nothing is too old for that reason."""
        now = self._loop.clock()
        moved = self._moved + (now.wall - self._began.wall) - (now.mono - self._began.mono)
        return now.wall - max(0.0, moved)

    def _ask(self, command: Callable[[Draft, Now], T]) -> T:
        """Have a command carried out by the control loop."""
        event_loop: Any = self._loop.event_loop
        return asyncio.run_coroutine_threadsafe(self._loop.run(command), event_loop).result(_ANSWER)


def _bite(
    remains: list[JobId] | None, roots: Sequence[JobId], draft: Draft, _now: Now
) -> tuple[list[JobId], bool]:
    """Forget a bite; tells of which forgotten jobs tasks are left, and whether there may be more."""
    if remains is None:
        remains = orphaned(draft)
    if remains:
        return forget_tasks(draft, remains, _BITE), True
    before = draft.mark()
    left = forget(draft, roots, _BITE)
    return left, draft.mark() > before
