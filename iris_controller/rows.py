"""The controller's rows: frozen values, one a job, task, attempt, worker and endpoint.

A field with ``eq=False`` is volatile: it means something only in this process and is not stored, so a
row that differs in such fields alone is equal and costs no write.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from iris_api.ids import JobId, TaskId
from iris_api.jobs import DEFAULT_PRIORITY, Cause, Constraint, JobSpec, JobState, TaskState
from iris_api.resources import ResourceSpec

__all__ = [
    "LIVE",
    "Attempt",
    "Demand",
    "Endpoint",
    "Job",
    "PoolSpec",
    "QueueKey",
    "Row",
    "Shape",
    "Task",
    "Verdict",
    "Worker",
]

LIVE = (TaskState.ASSIGNED, TaskState.BUILDING, TaskState.RUNNING)


@frozen
class PoolSpec:
    """A pool of the configuration. `resources` of each of its workers, None where only they know;
    `max` of them."""

    name: str
    resources: ResourceSpec | None = None
    max: int = 1


@frozen(cache_hash=True)
class Shape:
    """What a place must offer: tasks of one shape fit the same places."""

    resources: ResourceSpec
    constraints: tuple[Constraint, ...] = ()


@frozen(cache_hash=True)
class Demand:
    """What the tasks of a job ask of the scheduler; those of equal demand are interchangeable to it.

    `depth` counts the jobs above. `gang` is the job's id where its tasks start together or not at all,
    on workers that share the attribute `group_by`, if that is given.
    """

    shape: Shape
    priority: int = DEFAULT_PRIORITY
    depth: int = 0
    user: str = ""
    gang: str = ""
    group_by: str = ""

    @classmethod
    def of(cls, job: Job) -> Demand:
        spec, gang = job.spec, job.spec.coscheduling
        return _demand(
            Shape(spec.resources, spec.constraints),
            spec.priority or DEFAULT_PRIORITY,
            job.id.count("/"),
            job.user,
            str(job.id) if gang else "",
            gang.group_by if gang else "",
        )

    @property
    def resources(self) -> ResourceSpec:
        return self.shape.resources


@functools.lru_cache(maxsize=4096)
def _demand(*values: Any) -> Demand:
    """Equal demands are one object, as far as can be: there may be one for each of many tasks."""
    return Demand(*values)


@frozen(cache_hash=True)
class QueueKey:
    """Tasks that wait in one queue."""

    demand: Demand
    retried: bool


@functools.lru_cache(maxsize=8192)
def _queue_key(demand: Demand, retried: bool) -> QueueKey:
    return QueueKey(demand, retried)


@frozen
class Verdict:
    """How a job will have ended once the last of its tasks has: nothing of it starts again."""

    state: JobState
    cause: Cause


@frozen(kw_only=True)
class Job:
    """`spec` has inheritance applied. `order` counts submissions. `deadline` is when `timeout` is over.
    `user` is who submitted the root job."""

    id: JobId
    spec: JobSpec
    order: int
    state: JobState = JobState.PENDING
    submitted: float
    started: float | None = None
    finished: float | None = None
    cause: Cause | None = None
    verdict: Verdict | None = None
    parent_attempt: str = ""
    request_id: str = ""
    user: str = ""
    deadline: float | None = field(default=None, eq=False)

    @property
    def key(self) -> str:
        return self.id

    @property
    def going_on(self) -> bool:
        """False once it is decided that the job ends, though some of it may still run."""
        return self.verdict is None and not self.state.ended


@frozen(kw_only=True)
class Task:
    """`attempts` are uids, the oldest first. While it waits: `waiting_since` (wall), `expires` and
    `not_before` (monotonic; 0: it may be placed now)."""

    id: TaskId
    job: JobId
    index: int
    order: int
    state: TaskState = TaskState.PENDING
    attempts: tuple[str, ...] = ()
    finished: float | None = None
    cause: Cause | None = None
    waiting_since: float
    demand: Demand = field(eq=False)
    not_before: float = field(default=0.0, eq=False)
    expires: float | None = field(default=None, eq=False)

    @property
    def key(self) -> str:
        return self.id

    @property
    def live(self) -> str:
        """The uid of the attempt that has not ended; empty if there is none."""
        return self.attempts[-1] if self.state in LIVE else ""

    @property
    def queue(self) -> QueueKey:
        """A gang has one queue: its tasks wait until all of them do."""
        return _queue_key(self.demand, bool(self.attempts) and not self.demand.gang)


@frozen(kw_only=True)
class Attempt:
    """`revision`: of the worker's desire that handed it out. `kill`: why it was ordered to stop, recorded
    before its exit is seen. Its `resources` are held until it has ended. `after`: uids of attempts whose end
    makes room for this one; its worker is not told of it before."""

    uid: str
    task: TaskId
    number: int
    worker: str
    incarnation: str
    revision: int
    state: TaskState = TaskState.ASSIGNED
    assigned: float
    started: float | None = None
    finished: float | None = None
    kill: Cause | None = None
    cause: Cause | None = None
    after: tuple[str, ...] = ()
    demand: Demand = field(eq=False)

    @property
    def key(self) -> str:
        return self.uid

    @property
    def resources(self) -> ResourceSpec:
        return self.demand.resources

    @property
    def job(self) -> JobId:
        return self.task.job

    @property
    def desired(self) -> bool:
        """Is its worker to have it? There is room for it, and nobody has ordered its end."""
        return self.kill is None and not self.after


@frozen(kw_only=True)
class Worker:
    """`revision` counts changes of what the worker should have. `past`: incarnations that came before.
    `incarnation` is empty, and `lost` is true, once the last of them has said that it leaves.

    `faults`: root jobs whose attempts it failed one after the other for reasons of its own; after some it
    rests, longer each time (`rests` counts them), and gets nothing new before `rests_until` (monotonic).
    """

    id: str
    incarnation: str
    pool: str = ""
    slice: str = ""
    resources: ResourceSpec = field(factory=lambda: ResourceSpec(0))
    attributes: Mapping[str, str] = field(factory=dict)
    advertise_host: str = ""
    version: str = ""
    revision: int = 1
    lost: bool = False
    past: tuple[str, ...] = ()
    sequence: int = field(default=0, eq=False)
    known_revision: int = field(default=0, eq=False)
    last_seen: float = field(default=0.0, eq=False)
    faults: tuple[str, ...] = field(default=(), eq=False)
    rests: int = field(default=0, eq=False)
    rests_until: float = field(default=0.0, eq=False)

    @property
    def key(self) -> str:
        return self.id

    @property
    def left(self) -> bool:
        return not self.incarnation


@frozen(kw_only=True)
class Endpoint:
    """`expires` (monotonic) is when its lease ends; None: only its owner's end removes it."""

    uid: str
    name: str
    address: str
    attempt: str = ""
    metadata: Mapping[str, str] = field(factory=dict)
    lease: float = 0.0
    expires: float | None = field(default=None, eq=False)

    @property
    def key(self) -> str:
        return self.uid


Row = Job | Task | Attempt | Worker | Endpoint
