"""Wakes: after a turn was stored, tell those whom it concerns."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import Executor

from iris_controller.endpoints_service import EndpointVersions
from iris_controller.polls import Polls
from iris_controller.rows import Attempt, Endpoint, Job, Row, Task, Worker
from iris_controller.state import Changes

__all__ = ["Wakes"]


class Wakes:
    """Called on the event loop with what was stored."""

    def __init__(self, polls: Polls, versions: EndpointVersions) -> None:
        self.versions = versions
        self.discard: Callable[[str], None] | None = None  # logs of a forgotten root job
        self.executor: Executor | None = None
        self._polls = polls

    def merged(self, changes: Changes) -> None:
        if not changes:
            return
        names = {row.name: None for row in (*changes.rows, *changes.deleted) if isinstance(row, Endpoint)}
        self.versions.note(names)
        self._polls.wake(_concerned((*changes.rows, *changes.deleted)))
        if names:
            self._wake_prefixes(names)
        for row in changes.deleted:
            if isinstance(row, Job) and row.id.parent is None and self.discard and self.executor:
                self.executor.submit(self.discard, row.id)

    def _wake_prefixes(self, names: Iterable[str]) -> None:
        prefixes = [what for what in self._polls.holds("names") if isinstance(what, tuple)]
        self._polls.wake(what for what in prefixes if any(name.startswith(what[1]) for name in names))


def _concerned(rows: Iterable[Row]) -> Iterator[Hashable]:
    for row in rows:
        match row:
            case Job():
                yield "job", row.id
            case Task():
                yield "logs", row.id
            case Attempt():
                yield "logs", row.task
            case Worker():
                yield "worker", row.id
            case Endpoint():
                yield "name", row.name
