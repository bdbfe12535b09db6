"""What happens to a row when its time has come, and when that is."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve

from iris_api.jobs import Cause, CauseKind, JobState, TaskState
from iris_controller.clock import Now
from iris_controller.rows import Endpoint, Job, Row, Task, Worker
from iris_controller.state import Draft
from iris_controller.transitions import jobs
from iris_controller.transitions.workers import FORGET, lose_worker

__all__ = ["deadline_of", "expire"]


def deadline_of(row: Row, grace: float) -> float | None:
    """When (monotonic) something is to happen to this row though nobody asks."""
    if isinstance(row, Task):
        if row.state is not TaskState.PENDING:
            return None
        return min((when for when in (row.not_before or None, row.expires) if when is not None), default=None)
    if isinstance(row, Job):
        return row.deadline if row.verdict is None else None
    if isinstance(row, Worker):
        silent = row.last_seen + (FORGET if row.lost else grace)
        return min(silent, row.rests_until or silent)
    return row.expires if isinstance(row, Endpoint) else None


def expire(draft: Draft, row: Row, waits_for: Callable[[Task], str], grace: float, now: Now) -> None:
    """Carry out what is due for a row. `waits_for`: why a task has no place."""
    due = deadline_of(row, grace)
    if due is None or due > now.mono:
        return
    if isinstance(row, Job):
        _job_timeout(draft, row, now)
    elif isinstance(row, Task):
        _task_due(draft, row, waits_for, now)
    elif isinstance(row, Worker):
        _worker_due(draft, row, grace, now)
    elif isinstance(row, Endpoint):
        draft.delete(Endpoint, row.uid)


def _worker_due(draft: Draft, worker: Worker, grace: float, now: Now) -> None:
    if worker.rests_until and worker.rests_until <= now.mono:
        worker = evolve(worker, rests_until=0.0)
        draft.put(worker)
    silence = now.mono - worker.last_seen
    if worker.lost and silence >= FORGET:
        draft.delete(Worker, worker.id)
    elif not worker.lost and silence >= grace:
        lose_worker(draft, worker, now)


def _job_timeout(draft: Draft, job: Job, now: Now) -> None:
    message = f"job {job.id} has run for longer than its timeout of {job.spec.timeout:g} s"
    cause = Cause(kind=CauseKind.TIMEOUT, message=message)
    jobs.doom(draft, job, JobState.FAILED, cause, cause, now)


def _task_due(draft: Draft, task: Task, waits_for: Callable[[Task], str], now: Now) -> None:
    if task.expires is not None and task.expires <= now.mono:
        limit = draft.get(Job, task.job).spec.scheduling_timeout
        message = f"no place was found within {limit:g} s: {waits_for(task)}"
        cause = Cause(kind=CauseKind.UNSCHEDULABLE, message=message)
        jobs.end_task(draft, task, TaskState.UNSCHEDULABLE, cause, now)
    else:
        draft.put(evolve(task, not_before=0.0))
