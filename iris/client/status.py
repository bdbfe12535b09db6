"""How jobs, tasks and workers stand, as values. Times are Unix seconds, None where not reached."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from attrs import field, frozen

from iris_api.jobs import Cause, JobState, TaskState
from iris_api.resources import ResourceSpec

__all__ = [
    "AttemptStatus",
    "JobStatus",
    "LogEntry",
    "PoolProspect",
    "TaskProspect",
    "TaskStatus",
    "WorkerStatus",
]


@frozen(kw_only=True)
class AttemptStatus:
    """One try at a task; `number` counts from 0. `after`: uids of attempts that must end first."""

    uid: str
    number: int
    state: TaskState
    worker_id: str = ""
    assigned: float | None = None
    started: float | None = None
    finished: float | None = None
    cause: Cause | None = None
    after: tuple[str, ...] = ()


@frozen(kw_only=True)
class TaskStatus:
    task_id: str
    index: int
    state: TaskState
    pending_reason: str = ""
    attempts: tuple[AttemptStatus, ...] = ()
    cause: Cause | None = None


@frozen(kw_only=True)
class PoolProspect:
    """How many workers a pool has, of these how many meet a job's constraints, of these how many would
    hold a task when empty, and of these how many take it now."""

    pool: str
    workers: int
    matching: int
    large_enough: int
    with_room: int


@frozen(kw_only=True)
class TaskProspect:
    """What becomes of the tasks in `indexes`, which are alike. `worker_id` is where they run, or would be
    placed now, for which the tasks `preempts` would end. `reason` says why they do not run, `remedy` what
    would make them; both are empty where nothing is in the way."""

    indexes: tuple[int, ...]
    state: TaskState
    worker_id: str = ""
    preempts: tuple[str, ...] = ()
    reason: str = ""
    remedy: str = ""
    pools: tuple[PoolProspect, ...] = ()


@frozen(kw_only=True)
class JobStatus:
    """`task_counts` by state; `tasks` only where they were asked for."""

    job_id: str
    name: str
    state: JobState
    replicas: int
    priority: int
    user: str
    submitted: float
    started: float | None = None
    finished: float | None = None
    cause: Cause | None = None
    pending_reason: str = ""
    task_counts: Mapping[TaskState, int] = field(factory=dict)
    tasks: tuple[TaskStatus, ...] = ()


@frozen(kw_only=True)
class WorkerStatus:
    """`last_seen` in seconds before now."""

    worker_id: str
    pool: str
    state: str
    total: ResourceSpec
    used: ResourceSpec
    attempts: int
    last_seen: float
    attributes: Mapping[str, str] = field(factory=dict)
    version: str = ""
    advertise_host: str = ""


@frozen
class LogEntry:
    """One line of a task's output. `source`: stdout | stderr | build | log."""

    timestamp: datetime.datetime
    source: str
    data: str
