"""The life of a job: derived from its tasks, ended by a verdict, followed by its children."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from attrs import evolve

from iris_api.errors import Refused
from iris_api.ids import JobId
from iris_api.jobs import Cause, CauseKind, JobState, TaskState
from iris_controller.clock import Now
from iris_controller.rows import Attempt, Job, Task, Verdict
from iris_controller.state import Draft, Index
from iris_controller.transitions import attempts
from iris_controller.transitions.causes import state_after

__all__ = [
    "ancestors_going_on",
    "delete_tree",
    "doom",
    "doom_orphan",
    "end_submitted_by",
    "end_task",
    "note_start",
    "refresh",
    "sibling",
    "terminate",
]

_ENDED: Final = tuple(state for state in TaskState if state.ended)
_VERDICTS: Final = {
    TaskState.WORKER_FAILED: JobState.WORKER_FAILED,
    TaskState.PREEMPTED: JobState.WORKER_FAILED,
    TaskState.UNSCHEDULABLE: JobState.UNSCHEDULABLE,
}


def terminate(draft: Draft, job_ids: Iterable[str], by: str, now: Now) -> list[str]:
    """Cancel jobs; returns those that were going on. Raises Refused naming an unknown one."""
    wanted = [_known(draft, job_id) for job_id in dict.fromkeys(job_ids)]
    cause = Cause(kind=CauseKind.CANCELLED, message=f"cancelled by {by or 'a client'}", by=by)
    alive = [job.id for job in wanted if job.going_on]
    for job_id in alive:
        doom(draft, draft.get(Job, job_id), JobState.KILLED, cause, cause, now)
    return list(alive)


def _known(draft: Draft, job_id: str) -> Job:
    job = draft.find(Job, job_id)
    if job is None:
        raise Refused("not_found", f"there is no job {job_id!r}")
    return job


def doom(draft: Draft, job: Job, state: JobState, cause: Cause, rest: Cause, now: Now) -> None:
    """Decide that a job ends as `state`. Its waiting tasks end, its attempts are told to stop, each for
    `rest`; its children end. It has ended once the last attempt is confirmed gone."""
    if not job.going_on:
        return
    draft.put(evolve(job, verdict=Verdict(state, cause)))
    for task in list(draft.tasks(job)):
        if task.state is TaskState.PENDING:
            draft.put(evolve(task, state=state_after(rest), cause=rest, finished=now.wall, expires=None))
        elif task.live:
            attempts.order_stop(draft, draft.get(Attempt, task.live), rest, now)
    _end_children(draft, job, now)
    refresh(draft, job.id, now)


def doom_orphan(draft: Draft, job: Job, now: Now) -> None:
    cause = _parent_ended(f"parent job {job.id.parent} has ended")
    doom(draft, job, JobState.KILLED, cause, cause, now)


def end_submitted_by(draft: Draft, attempt: Attempt, now: Now) -> None:
    """The attempt that submitted them has ended: so do these jobs."""
    cause = _parent_ended(f"the attempt of {attempt.task} that submitted it has ended")
    for child in draft.ids(Index.SUBMITTED_BY, attempt.uid):
        doom(draft, draft.get(Job, child), JobState.KILLED, cause, cause, now)


def end_task(draft: Draft, task: Task, state: TaskState, cause: Cause | None, now: Now) -> None:
    """The task has ended for good; its job may be decided by that."""
    ended = evolve(task, state=state, cause=cause, finished=now.wall, not_before=0.0, expires=None)
    draft.put(ended)
    job = draft.get(Job, task.job)
    if cause is not None and job.verdict is None and (decided := _decided(draft, job, state)):
        doom(draft, job, decided, cause, sibling(cause, task), now)
    refresh(draft, job.id, now)


def sibling(cause: Cause, task: Task | None = None) -> Cause:
    """Why the other tasks of a job end when one has failed for `cause`."""
    who = f"task {task.id}" if task is not None else "another task"
    return Cause(kind=CauseKind.SIBLING_FAILED, message=f"{who} of the job failed: {cause.message}")


def _decided(draft: Draft, job: Job, state: TaskState) -> JobState | None:
    if state is TaskState.FAILED:
        failed = draft.task_count(job.id, TaskState.FAILED)
        tolerated = 0 if job.spec.coscheduling else job.spec.max_task_failures
        return JobState.FAILED if failed > tolerated else None
    return _VERDICTS.get(state)


def note_start(draft: Draft, job_id: JobId, now: Now) -> None:
    """A task of the job runs. From the first on its time counts."""
    job = draft.get(Job, job_id)
    if job.started is None and not job.state.ended:
        limit = job.spec.timeout
        draft.put(evolve(job, started=now.wall, deadline=None if limit is None else now.mono + limit))


def refresh(draft: Draft, job_id: JobId, now: Now) -> None:
    """Derive a job's state from its tasks, and note its end."""
    job = draft.get(Job, job_id)
    if job.state.ended:
        return
    state, cause = _derive(draft, job)
    if state.ended:
        draft.put(evolve(job, state=state, cause=cause, finished=now.wall, deadline=None))
        _end_children(draft, job, now)
    elif state is not job.state:
        draft.put(evolve(job, state=state))


def _derive(draft: Draft, job: Job) -> tuple[JobState, Cause | None]:
    if draft.task_count(job.id, TaskState.RUNNING):
        return JobState.RUNNING, None
    if draft.task_count(job.id, *_ENDED) < job.spec.replicas:
        waiting = draft.task_count(job.id, TaskState.PENDING, TaskState.ASSIGNED)
        return (JobState.RUNNING if waiting < job.spec.replicas else JobState.PENDING), None
    if job.verdict is None or draft.task_count(job.id, TaskState.SUCCEEDED) == job.spec.replicas:
        return JobState.SUCCEEDED, None
    return job.verdict.state, job.verdict.cause


def ancestors_going_on(draft: Draft, job: Job) -> bool:
    """False if the job, one above it, or an attempt that submitted one of them has ended or is to end."""
    while job.going_on:
        parent_id = job.id.parent
        if parent_id is None:
            return True
        parent, submitter = draft.find(Job, parent_id), draft.find(Attempt, job.parent_attempt)
        if parent is None or submitter is None or submitter.state.ended:
            return False
        job = parent
    return False


def _end_children(draft: Draft, job: Job, now: Now) -> None:
    children = draft.ids(Index.CHILDREN, job.id)
    cause = _parent_ended(f"parent job {job.id} has ended") if children else None
    for child in children:
        assert cause is not None
        doom(draft, draft.get(Job, child), JobState.KILLED, cause, cause, now)


def _parent_ended(message: str) -> Cause:
    return Cause(kind=CauseKind.PARENT_ENDED, message=message)


def delete_tree(draft: Draft, job: Job) -> bool:
    """Forget an ended job and all below it; False, and nothing is done, while any of it still runs."""
    tree = list(_tree(draft, job))
    if not all(one.state.ended for one in tree):
        return False
    for one in tree:
        for task in list(draft.tasks(one)):
            for uid in task.attempts:
                draft.delete(Attempt, uid)
            draft.delete(Task, task.id)
        draft.delete(Job, one.id)
    return True


def _tree(draft: Draft, job: Job) -> Iterator[Job]:
    yield job
    for child in draft.ids(Index.CHILDREN, job.id):
        yield from _tree(draft, draft.get(Job, child))
