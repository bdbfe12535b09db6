"""View: what can be asked of rows, committed or drafted, by key or through an index.

Everything that is looked up by something else than its key goes through an index, and every index is
defined by `index_keys` alone, so that none can drift from the rows.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator
from typing import Any, TypeVar

from iris_api.ids import JobId
from iris_api.jobs import TaskState
from iris_api.resources import ResourceSpec
from iris_controller.rows import Attempt, Endpoint, Job, Row, Task, Worker

__all__ = ["KINDS", "Index", "Place", "R", "View", "index_keys"]

KINDS: tuple[type[Row], ...] = (Job, Task, Attempt, Worker, Endpoint)
R = TypeVar("R", Job, Task, Attempt, Worker, Endpoint)


class Index(enum.Enum):
    CHILDREN = "jobs by parent job"
    SUBMITTED_BY = "jobs by parent attempt"
    REQUEST = "job by request id"
    ROOT_NAME = "unfinished root jobs by name"
    ENDED_ROOTS = "ended root jobs, in the order of their end"
    TASKS = "tasks by (job, state)"
    QUEUE = "tasks that may be placed now, by queue"
    HELD = "live attempts by worker"
    LIVE = "live attempts by (user, priority)"
    AWAITING = "attempts that wait for the end of another, by its uid"
    PENDING = "tasks that wait for a place or back off, by user"
    NAME = "endpoints by name"
    OWNED = "endpoints by attempt"

    __hash__ = object.__hash__  # Enum's own hashes the name each time


Place = tuple[Index, Hashable]


def index_keys(row: Row) -> tuple[Place, ...]:
    """Under what a row is found."""
    if isinstance(row, Task):
        by_state = (Index.TASKS, (row.job, row.state))
        if row.state is not TaskState.PENDING:
            return (by_state,)
        waiting = (Index.PENDING, row.demand.user)
        return (by_state, waiting) if row.not_before else (by_state, waiting, (Index.QUEUE, row.queue))
    if isinstance(row, Attempt):
        return () if row.state.ended else _live_keys(row)
    if isinstance(row, Job):
        return tuple(_job_keys(row))
    if isinstance(row, Endpoint):
        return (Index.NAME, row.name), (Index.OWNED, row.attempt)
    return ()


def _live_keys(attempt: Attempt) -> tuple[Place, ...]:
    demand = attempt.demand
    held = (Index.HELD, attempt.worker), (Index.LIVE, (demand.user, demand.priority))
    return (*held, *((Index.AWAITING, uid) for uid in attempt.after)) if attempt.after else held


def _job_keys(job: Job) -> Iterator[Place]:
    if job.request_id:
        yield Index.REQUEST, job.request_id
    if (parent := job.id.parent) is not None:
        yield Index.CHILDREN, parent
        yield Index.SUBMITTED_BY, job.parent_attempt
    elif job.state.ended:
        yield Index.ENDED_ROOTS, ""
    else:
        yield Index.ROOT_NAME, job.spec.name


class View(ABC):
    """What can be asked of rows, committed or drafted."""

    @abstractmethod
    def find(self, kind: type[R], key: str) -> R | None: ...

    @abstractmethod
    def rows(self, kind: type[R]) -> Iterator[R]:
        """All of a kind, in the order they came. For few, or for answers; no step of the loop walks jobs."""

    @abstractmethod
    def walk(self, index: Index, key: Hashable) -> Iterator[str]:
        """The keys of rows found under `key`, in the order they came there; must not be put to meanwhile."""

    @abstractmethod
    def count(self, index: Index, key: Hashable) -> int: ...

    @abstractmethod
    def keys(self, index: Index) -> list[Any]:
        """The keys of an index that hold something."""

    @abstractmethod
    def used(self, worker: str) -> ResourceSpec:
        """What the live attempts of a worker reserve: derived from them, never counted beside."""

    def get(self, kind: type[R], key: str) -> R:
        row = self.find(kind, key)
        if row is None:
            raise LookupError(f"no {kind.__name__.lower()} {key!r}")
        return row

    def ids(self, index: Index, key: Hashable) -> list[str]:
        return list(self.walk(index, key))

    def running(self, user: str) -> int:
        """How many attempts of a user hold a place."""
        return sum(self.count(Index.LIVE, key) for key in self.keys(Index.LIVE) if key[0] == user)

    def tasks(self, job: Job) -> Iterator[Task]:
        return (self.get(Task, f"{job.id}:{index}") for index in range(job.spec.replicas))

    def task_count(self, job: JobId, *states: TaskState) -> int:
        return sum(self.count(Index.TASKS, (job, state)) for state in states)

    def _sum_held(self, worker: str) -> ResourceSpec:
        cpu, memory = 0.0, 0
        for uid in self.walk(Index.HELD, worker):
            held = self.get(Attempt, uid).resources
            cpu, memory = cpu + held.cpu, memory + held.memory
        return ResourceSpec(cpu, memory)
