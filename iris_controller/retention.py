"""Retention: for how long what has ended is kept, and what goes next. Pure functions of rows and sizes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from attrs import frozen

from iris_api.ids import JobId
from iris_api.jobs import TaskState
from iris_controller.rows import Attempt, Job, Task
from iris_controller.state import Draft, Index

__all__ = ["Retention", "bundles_in_use", "forget", "forget_tasks", "logs_to_remove", "orphaned", "overdue"]

_DAY: Final = 86_400.0
_ROOM: Final = 0.9  # of the bound on logs is left after they were removed, so that this is rare


@frozen(kw_only=True)
class Retention:
    """Ended root jobs are remembered with their logs: `ended` of them, and up to `tasks` tasks of theirs,
    for `age` seconds; each for at least `least` seconds. A bundle that no unfinished job names is kept for
    `bundles` seconds after its last use; logs up to `log_bytes` in all."""

    ended: int = 10_000
    tasks: int = 200_000
    age: float = 7 * _DAY
    least: float = 60.0
    bundles: float = _DAY
    log_bytes: int = 20 * 10**9


def overdue(draft: Draft, retention: Retention, wall: float) -> list[JobId]:
    """The ended root jobs that are too many, by themselves or by their tasks, or too old; the first ended
    first. One that has just ended stays: who waits for it may be about to ask."""
    ended = [draft.get(Job, key) for key in draft.ids(Index.ENDED_ROOTS, "")]
    surplus = _surplus(draft, ended, retention.tasks)
    chosen = []
    for number, job in enumerate(ended):
        too_many = len(ended) - number > retention.ended or surplus > 0
        age = wall - (job.finished or 0.0)
        if 0 <= age < retention.least or (not too_many and age < retention.age):
            break
        chosen.append(job.id)
        surplus -= _tasks_of(draft, job) if surplus > 0 else 0
    return chosen


def forget(draft: Draft, roots: Iterable[JobId], rows: int) -> list[JobId]:
    """Forget these root jobs and all below each, in their order, until about `rows` rows are gone. One
    below which something still runs stays. A job whose tasks are more than that goes at once, out of sight;
    returned are those of whose tasks some are left for `forget_tasks`."""
    left, remains = rows, list[JobId]()
    for key in roots:
        root = draft.find(Job, key)
        tree = [] if root is None else list(_tree(draft, root))
        if not all(job.state.ended for job in tree):
            continue
        for job in reversed(tree):  # children before parents: what is there has its parent
            if left <= 0:
                return remains
            draft.delete(Job, job.id)
            left -= 1 + _delete_tasks(draft, _task_ids(job), left)
            if left <= 0:
                remains.append(job.id)
    return remains


def forget_tasks(draft: Draft, jobs: Sequence[JobId], rows: int) -> list[JobId]:
    """Go on with the tasks of forgotten jobs; returns the jobs of whose tasks some may be left."""
    for number, job in enumerate(jobs):
        rows -= _delete_tasks(draft, _left(draft, job), rows)
        if rows <= 0:
            return list(jobs[number:])
    return []


def logs_to_remove(sizes: Mapping[str, int], ended: Iterable[str], bound: int) -> list[str]:
    """The root jobs whose logs go so that all together are within `bound` bytes: `ended` ones, the first
    ended first. Logs of jobs that have not ended stay."""
    total, chosen = sum(sizes.values()), []
    if total <= bound:
        return []
    for root in ended:
        if total <= bound * _ROOM:
            break
        if sizes.get(root):
            chosen.append(root)
            total -= sizes[root]
    return chosen


def bundles_in_use(draft: Draft) -> set[str]:
    """Those that jobs name which have not ended: the next attempt of a task fetches it again."""
    return {job.spec.bundle for job in draft.rows(Job) if job.spec.bundle and not job.state.ended}


def orphaned(draft: Draft) -> list[JobId]:
    """Forgotten jobs of whose tasks some are left. Looks at all jobs."""
    with_tasks = dict.fromkeys(job for job, _ in draft.keys(Index.TASKS))
    return [job for job in with_tasks if draft.find(Job, job) is None]


def _surplus(draft: Draft, roots: Iterable[Job], bound: int) -> int:
    """How many tasks of ended jobs there are beyond a bound; 0 or less where there are none."""
    if draft.state.size(Task) <= bound:
        return 0
    return sum(_tasks_of(draft, root) for root in roots) - bound


def _tasks_of(draft: Draft, root: Job) -> int:
    return sum(job.spec.replicas for job in _tree(draft, root))


def _tree(draft: Draft, job: Job) -> Iterator[Job]:
    """Each job before its children."""
    yield job
    for child in draft.ids(Index.CHILDREN, job.id):
        yield from _tree(draft, draft.get(Job, child))


def _task_ids(job: Job) -> Iterator[str]:
    return (job.id.task(index) for index in range(job.spec.replicas))


def _left(draft: Draft, job: JobId) -> Iterator[str]:
    for state in TaskState:
        yield from draft.ids(Index.TASKS, (job, state))


def _delete_tasks(draft: Draft, keys: Iterable[str], rows: int) -> int:
    """Delete tasks with their attempts until `rows` rows are gone; returns how many are."""
    gone = 0
    for key in keys:
        if gone >= rows:
            break
        task = draft.get(Task, key)
        for uid in task.attempts:
            draft.delete(Attempt, uid)
        draft.delete(Task, key)
        gone += 1 + len(task.attempts)
    return gone
