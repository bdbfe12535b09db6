"""Gangs: tasks that start together, and of which none goes on when another has not ended well."""

from __future__ import annotations

from attrs import evolve

from iris_api.jobs import Cause, CauseKind, TaskState
from iris_controller.clock import Now
from iris_controller.rows import Attempt, Job, Task
from iris_controller.state import Draft
from iris_controller.transitions import attempts
from iris_controller.transitions.causes import Blame, blame

__all__ = ["end_members", "preempt", "starts_again", "wait_together"]


def preempt(draft: Draft, victim: Attempt, winner: Task, now: Now) -> None:
    """Have an attempt end because a task of higher priority gets its place; with it ends its gang."""
    message = (
        f"preempted by {winner.id}, whose priority is {winner.demand.priority} and not "
        f"{victim.demand.priority}"
    )
    cause = Cause(kind=CauseKind.PREEMPTED, message=message, by=winner.job)
    job, task = draft.get(Job, victim.job), draft.get(Task, victim.task)
    attempts.order_stop(draft, victim, cause, now)
    if victim.demand.gang and draft.get(Job, job.id).going_on:  # that may have been the end of the job
        end_members(draft, job, task, cause, now)


def starts_again(job: Job, order: Cause) -> bool:
    """Whether a task that succeeded in spite of an order to end is to run once more with its gang, of which
    the others wait by now."""
    return job.spec.coscheduling is not None and job.going_on and blame(order) is not Blame.ORDER


def end_members(draft: Draft, job: Job, guilty: Task, cause: Cause, now: Now) -> None:
    """Have the other tasks of a gang end, and those that had succeeded wait again: all start together."""
    message = f"task {guilty.id} of the gang ended: {cause.message}"
    ended = Cause(kind=CauseKind.GANG_ENDED, message=message, by=cause.by)
    for task in list(draft.tasks(job)):
        if task.id == guilty.id:
            continue
        if task.live:
            attempts.order_stop(draft, draft.get(Attempt, task.live), ended, now)
        elif task.state is TaskState.SUCCEEDED:
            draft.put(evolve(task, state=TaskState.PENDING, finished=None, waiting_since=now.wall))


def wait_together(draft: Draft, job: Job, limit: float, now: Now) -> None:
    """The `limit` of seconds for a place runs from when all tasks of a gang may be placed: what the others
    still do, or how long they back off, counts against nobody."""
    tasks = list(draft.tasks(job))
    whole = all(task.state is TaskState.PENDING for task in tasks)
    pause = max(0.0, *(task.not_before - now.mono for task in tasks))
    for task in tasks:
        if task.state is TaskState.PENDING:
            since = now.wall + pause if whole else task.waiting_since
            expires = now.mono + pause + limit if whole else None
            draft.put(evolve(task, waiting_since=since, expires=expires))
