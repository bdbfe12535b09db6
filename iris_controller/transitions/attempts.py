"""The life of an attempt: placed, seen to go on, told to stop, ended. `end_attempt` alone ends one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from attrs import evolve

from iris_api.jobs import Cause, CauseKind, TaskState
from iris_controller.clock import Now
from iris_controller.rows import Attempt, Endpoint, Job, Task, Worker
from iris_controller.state import Draft, Index
from iris_controller.transitions import gangs, jobs
from iris_controller.transitions.causes import Blame, backoff, blame, state_after

__all__ = ["advance", "began", "drop_endpoints", "end_attempt", "order_stop", "place"]

_MENDED: Final = 3  # tries more after an environment could not be made
_HEALTHY: Final = 3600.0  # seconds: an attempt that ran so long refills the platform's budget
_ORDER: Final = (TaskState.ASSIGNED, TaskState.BUILDING, TaskState.RUNNING)


def place(draft: Draft, task: Task, worker: Worker, uid: str, now: Now, after: Iterable[str] = ()) -> bool:
    """Hand a waiting task to a worker, unless its job or an ancestor has ended meanwhile. The worker is
    told of it once the attempts `after` which it comes have ended: until then they have the room."""
    job = draft.get(Job, task.job)
    if draft.get(Task, task.id).state is not TaskState.PENDING:
        return False
    if not jobs.ancestors_going_on(draft, job):
        jobs.doom_orphan(draft, job, now)
        return False
    before = tuple(uid for uid in after if _lives(draft, uid))
    if not before:
        worker = tell(draft, worker)
    draft.put(
        Attempt(
            uid=uid,
            task=task.id,
            number=len(task.attempts),
            worker=worker.id,
            incarnation=worker.incarnation,
            revision=worker.revision,
            assigned=now.wall,
            after=before,
            demand=task.demand,
        )
    )
    draft.put(evolve(task, state=TaskState.ASSIGNED, attempts=(*task.attempts, uid), expires=None))
    return True


def tell(draft: Draft, worker: Worker) -> Worker:
    """What the worker should have is changed: it gets a new revision, one for all changes of a draft."""
    stored = draft.state.find(Worker, worker.id)
    if stored is not None and stored.revision < worker.revision:
        return worker
    told = evolve(worker, revision=worker.revision + 1)
    draft.put(told)
    return told


def _lives(draft: Draft, uid: str) -> bool:
    attempt = draft.find(Attempt, uid)
    return attempt is not None and not attempt.state.ended


def advance(draft: Draft, attempt: Attempt, state: TaskState, started: float, now: Now) -> None:
    """A worker says that an attempt is BUILDING or RUNNING. Never goes back."""
    if _ORDER.index(state) <= _ORDER.index(attempt.state):
        return
    if state is TaskState.RUNNING:
        attempt = began(draft, attempt, started, now)
    draft.put(evolve(attempt, state=state))
    draft.put(evolve(draft.get(Task, attempt.task), state=state))
    jobs.refresh(draft, attempt.job, now)


def began(draft: Draft, attempt: Attempt, started: float, now: Now) -> Attempt:
    """The attempt with the time of its start; its job is running from then on. `started` is of the worker's
    clock, which may be wrong: it counts as far as it is between the placing and now."""
    jobs.note_start(draft, attempt.job, now)
    return evolve(attempt, started=min(max(started or now.wall, attempt.assigned), now.wall))


def order_stop(draft: Draft, attempt: Attempt, cause: Cause, now: Now) -> None:
    """Record why, before the exit is seen, and no longer desire it. The first order stays. What its worker
    has not been told of yet is over at once."""
    if attempt.kill is not None:
        return
    ordered = evolve(attempt, kill=cause)
    draft.put(ordered)
    if attempt.after:
        end_attempt(draft, ordered, cause, now)
        return
    worker = draft.find(Worker, attempt.worker)
    if worker is not None:
        tell(draft, worker)


def end_attempt(draft: Draft, attempt: Attempt, cause: Cause | None, now: Now) -> None:
    """The attempt is gone, for `cause` (None: success). What it owned goes; its task ends or waits again."""
    draft.put(
        evolve(
            attempt,
            state=state_after(cause),
            cause=cause,
            finished=max(now.wall, attempt.started or 0.0),  # the clock may have been set back
            after=(),
        )
    )
    drop_endpoints(draft, draft.ids(Index.OWNED, attempt.uid))
    jobs.end_submitted_by(draft, attempt, now)
    _hand_on(draft, attempt)
    task = draft.get(Task, attempt.task)
    job = draft.get(Job, task.job)
    if cause is None and (order := attempt.kill) and gangs.starts_again(job, order):
        _wait_again(draft, job, task, order, now)
        jobs.refresh(draft, job.id, now)
    elif cause is not None and job.going_on and _may_retry(draft, job, task, cause):
        _wait_again(draft, job, task, cause, now)
        if task.demand.gang and blame(cause) is not Blame.FREE:
            gangs.end_members(draft, job, task, cause, now)
        jobs.refresh(draft, job.id, now)
    else:
        jobs.end_task(draft, task, state_after(_final(job, cause)), _final(job, cause), now)


def _hand_on(draft: Draft, ended: Attempt) -> None:
    """Its room goes to the attempts that wait for it; with the last such end their worker is told."""
    for uid in draft.ids(Index.AWAITING, ended.uid):
        heir = draft.get(Attempt, uid)
        left = tuple(other for other in heir.after if other != ended.uid)
        worker = draft.find(Worker, heir.worker)
        if not left and worker is not None:
            worker = tell(draft, worker)
            heir = evolve(heir, revision=worker.revision, incarnation=worker.incarnation)
        draft.put(evolve(heir, after=left))


def drop_endpoints(draft: Draft, uids: Iterable[str]) -> None:
    for uid in uids:
        draft.delete(Endpoint, uid)


def _final(job: Job, cause: Cause | None) -> Cause | None:
    """A task that would have had another attempt ends as its job was told to."""
    if job.verdict is not None and cause is not None and blame(cause) in (Blame.PLATFORM, Blame.FREE):
        ordered = job.verdict.cause
        return ordered if blame(ordered) is Blame.ORDER else jobs.sibling(ordered)
    return cause


def _may_retry(draft: Draft, job: Job, task: Task, cause: Cause) -> bool:
    match blame(cause):
        case Blame.USER:
            return _paid(draft, job, task, Blame.USER) <= job.spec.max_retries_failure
        case Blame.PLATFORM if cause.of_job:
            return False
        case Blame.PLATFORM if cause.kind is CauseKind.ENVIRONMENT and _environments(draft, task) > _MENDED:
            return False
        case Blame.PLATFORM:
            return _paid(draft, job, task, Blame.PLATFORM) <= job.spec.max_retries_preemption
        case Blame.FREE:
            return True
    return False


def _environments(draft: Draft, task: Task) -> int:
    """How many attempts found no environment to run in: seldom does another worker help."""
    ended = (draft.get(Attempt, uid) for uid in task.attempts)
    return sum(1 for one in ended if one.cause is not None and one.cause.kind is CauseKind.ENVIRONMENT)


def _paid(draft: Draft, job: Job, task: Task, payer: Blame) -> int:
    """How many attempts of a task a budget has paid for since it was full. A long healthy run fills it
    again: else a service that lives for months would use up any budget. The platform's is filled so for
    every task, the user's for those that say after how long."""
    refill = job.spec.refill_after or math.inf
    if payer is Blame.PLATFORM:
        refill = min(refill, _HEALTHY)
    paid = 0
    for uid in reversed(task.attempts):
        attempt = draft.get(Attempt, uid)
        paid += attempt.cause is not None and blame(attempt.cause) is payer
        if _uptime(attempt) >= refill:
            break
    return paid


def _uptime(attempt: Attempt) -> float:
    if attempt.started is None or attempt.finished is None:
        return 0.0
    return max(0.0, attempt.finished - attempt.started)


def _wait_again(draft: Draft, job: Job, task: Task, cause: Cause, now: Now) -> None:
    payer = blame(cause)
    pause = 0.0 if payer is Blame.FREE else backoff(payer, max(1, _paid(draft, job, task, payer)))
    limit = job.spec.scheduling_timeout
    draft.put(
        evolve(
            task,
            state=TaskState.PENDING,
            waiting_since=now.wall + pause,
            not_before=now.mono + pause if pause else 0.0,
            expires=None if limit is None else now.mono + pause + limit,
        )
    )
    if task.demand.gang and limit is not None:
        gangs.wait_together(draft, job, limit, now)
