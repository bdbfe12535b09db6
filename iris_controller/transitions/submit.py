"""Submit a job: parent, inheritance, the name that may be taken, and the same request a second time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import evolve, frozen

from iris_api.errors import Refused
from iris_api.ids import JobId
from iris_api.jobs import DEFAULT_PRIORITY, Cause, CauseKind, ExistingJob, JobSpec, JobState
from iris_controller.clock import Now
from iris_controller.rows import Attempt, Demand, Job, Task
from iris_controller.rules import Quota, Rules
from iris_controller.state import Draft, Index
from iris_controller.transitions import jobs

__all__ = ["MAX_DEPTH", "MAX_WAITING", "Submit", "submit"]

MAX_DEPTH: Final = 32  # generations of jobs
MAX_WAITING: Final = 200_000  # tasks that wait for a place


@frozen(kw_only=True)
class Submit:
    spec: JobSpec
    parent: str = ""
    parent_attempt: str = ""
    existing: ExistingJob = ExistingJob.ERROR
    request_id: str = ""
    user: str = ""


def submit(
    draft: Draft, request: Submit, make_id: Callable[[str], str], now: Now, rules: Rules
) -> JobId | Refused:
    """The new job's id, or that of the job that `request` already is. Raises Refused if nothing changes;
    returns a Refused ("aborted": try again) if a job of that name was ended first and is still stopping.
    """
    for known in draft.walk(Index.REQUEST, request.request_id):
        return JobId(known)
    parent = _parent(draft, request) if request.parent else None
    user = request.user if parent is None else parent.user
    _admit(draft, request.spec, user, rules.quota(user))
    taken = _taken(draft, parent, request.spec.name)
    if taken is not None and (answer := _settle_name(draft, taken, request, now)) is not None:
        return answer
    spec = _inherit(request.spec, None if parent is None else parent.spec)
    job_id = parent.id.child(spec.name) if parent else _root_id(draft, spec.name, make_id)
    _insert(draft, job_id, spec, evolve(request, user=user), now)
    return job_id


def _parent(draft: Draft, request: Submit) -> Job:
    job = draft.find(Job, request.parent)
    if job is None:
        raise Refused("not_found", f"there is no parent job {request.parent!r}")
    attempt = draft.find(Attempt, request.parent_attempt)
    if not jobs.ancestors_going_on(draft, job):
        raise Refused("failed_precondition", f"parent job {job.id} has ended: it can have no new children")
    if attempt is None or attempt.job != job.id or attempt.state.ended or attempt.kill is not None:
        raise Refused(
            "failed_precondition",
            f"attempt {request.parent_attempt!r} is no live attempt of parent job {job.id}: "
            "only a live attempt of the parent may submit its children",
        )
    if job.id.count("/") + 2 > MAX_DEPTH:
        raise Refused("invalid_argument", f"jobs may be nested {MAX_DEPTH} deep, {job.id} is")
    return job


def _admit(draft: Draft, spec: JobSpec, user: str, quota: Quota) -> None:
    waiting = sum(draft.count(Index.PENDING, user) for user in draft.keys(Index.PENDING))
    if waiting + spec.replicas > MAX_WAITING:
        raise Refused(
            "resource_exhausted",
            f"{waiting} tasks wait for a place, and {MAX_WAITING} may: submit again when some have ended",
        )
    own = draft.count(Index.PENDING, user)
    if quota.pending is not None and own + spec.replicas > quota.pending:
        raise Refused(
            "resource_exhausted",
            f"{own} tasks of user {user or '(unnamed)'} wait for a place, and with {spec.replicas} more they "
            f"would be over the quota of {quota.pending}: submit again when some run",
        )
    if quota.running is not None and spec.coscheduling and spec.replicas > quota.running:
        raise Refused(
            "invalid_argument",
            f"a gang of {spec.replicas} tasks can never start: user {user or '(unnamed)'} may have "
            f"{quota.running} running",
        )


def _taken(draft: Draft, parent: Job | None, name: str) -> Job | None:
    if parent is not None:
        return draft.find(Job, parent.id.child(name))
    for job_id in draft.walk(Index.ROOT_NAME, name):
        return draft.get(Job, job_id)
    return None


def _settle_name(draft: Draft, taken: Job, request: Submit, now: Now) -> JobId | Refused | None:
    """What happens to the job that has the name; None if the name is free now."""
    root = taken.id.parent is None
    if root and not taken.going_on:  # a root's name is free once it has ended
        return Refused("aborted", f"job {taken.id} has this name and is stopping: try again")
    stale = not root and not _alive(draft, taken.parent_attempt)
    if not stale and request.existing is ExistingJob.KEEP:
        return taken.id
    if not stale and request.existing is ExistingJob.ERROR:
        raise Refused(
            "already_exists",
            f"job {taken.id} exists and is {taken.state}; existing='keep' returns it, 'recreate' replaces it",
        )
    why = "of an earlier attempt of its parent" if stale else f"replaced by a new {taken.spec.name!r}"
    kind = CauseKind.PARENT_ENDED if stale else CauseKind.CANCELLED
    cause = Cause(kind=kind, message=f"ended: {why}", by="" if stale else "a new submit of its name")
    jobs.doom(draft, taken, JobState.KILLED, cause, cause, now)
    left = draft.get(Job, taken.id)
    if left.state.ended if root else jobs.delete_tree(draft, left):
        return None
    return Refused("aborted", f"job {taken.id} ({why}) is stopping: try again")


def _alive(draft: Draft, uid: str) -> bool:
    attempt = draft.find(Attempt, uid)
    return attempt is not None and not attempt.state.ended


def _inherit(spec: JobSpec, parent: JobSpec | None) -> JobSpec:
    """Explicit values go before the parent's; the platform's own are added where the task runs."""
    if parent is None:
        return evolve(spec, priority=spec.priority or DEFAULT_PRIORITY)
    return evolve(
        spec,
        env_vars={**parent.env_vars, **spec.env_vars},
        image=spec.image or parent.image,
        pip_packages=spec.pip_packages or parent.pip_packages,
        extras=spec.extras or parent.extras,
        python_packages_from=spec.python_packages_from or parent.python_packages_from,
        bundle=spec.bundle or parent.bundle,
        priority=spec.priority or parent.priority,
    )


def _root_id(draft: Draft, name: str, make_id: Callable[[str], str]) -> JobId:
    job_id = JobId(make_id(name))
    while draft.find(Job, job_id) is not None:
        job_id = JobId(make_id(name))
    return job_id


def _insert(draft: Draft, job_id: JobId, spec: JobSpec, request: Submit, now: Now) -> None:
    order = draft.last_order + 1
    job = Job(
        id=job_id,
        spec=spec,
        order=order,
        submitted=now.wall,
        parent_attempt=request.parent_attempt if request.parent else "",
        request_id=request.request_id,
        user=request.user,
    )
    draft.put(job)
    demand = Demand.of(job)
    limit = spec.scheduling_timeout
    for index in range(spec.replicas):
        draft.put(
            Task(
                id=job_id.task(index),
                job=job_id,
                index=index,
                order=order,
                waiting_since=now.wall,
                demand=demand,
                expires=None if limit is None else now.mono + limit,
            )
        )
