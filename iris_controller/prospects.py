"""What becomes of a job's tasks, and why: of one that is there, and of one that is not submitted yet.

Both run the very pass that places tasks, on a view that is dropped afterwards.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import field, frozen

from iris_api.errors import Refused
from iris_api.ids import JobId
from iris_api.jobs import TaskState
from iris_controller.clock import Now
from iris_controller.reasons import PoolView, Reason, Reasons
from iris_controller.room import Room
from iris_controller.rows import Attempt, Job, Task
from iris_controller.rules import Rules
from iris_controller.schedule import Plan, schedule
from iris_controller.state import Draft, State
from iris_controller.transitions.submit import Submit, submit
from iris_controller.view import View

__all__ = ["Prospect", "explain", "foresee"]


@frozen
class Prospect:
    """Of one task or many alike. `worker` is where it is, or would be placed now, for which the tasks in
    `preempts` would be ended. `pools` are told for a task that waits."""

    state: TaskState
    worker: str = ""
    preempts: tuple[str, ...] = ()
    reason: Reason = field(factory=Reason)
    pools: tuple[PoolView, ...] = ()


def explain(view: View, rules: Rules, now: Now, job: Job) -> dict[Prospect, list[int]]:
    """The prospects of a job's tasks, with the indexes of the tasks that have each."""
    room = Room.of(view)
    plan = schedule(view, rules, now, room)
    look = _Look(plan, Reasons(view, rules, now, room), view)
    found: dict[Prospect, list[int]] = {}
    for task in view.tasks(job):
        found.setdefault(look.at(task), []).append(task.index)
    return found


def foresee(
    state: State, rules: Rules, now: Now, request: Submit, make_id: Callable[[str], JobId | str]
) -> dict[Prospect, list[int]]:
    """What would become of a submit now. Raises Refused as the submit would; changes nothing."""
    draft = Draft(state)
    job_id = submit(draft, request, lambda name: str(make_id(name)), now, rules)
    if isinstance(job_id, Refused):
        raise job_id
    return explain(draft, rules, now, draft.get(Job, job_id))


class _Look:
    """What a plan means for each task."""

    def __init__(self, plan: Plan, reasons: Reasons, view: View) -> None:
        self._reasons, self._view = reasons, view
        self._worker = {one.task.id: one.worker for one in plan.assignments}
        self._after = {one.task.id: one.after for one in plan.assignments}
        self._hopeless = dict(plan.hopeless)
        self._victims: dict[str, list[str]] = {}
        for eviction in plan.evictions:
            self._victims.setdefault(eviction.for_.id, []).append(eviction.victim.task)
        self._pools: dict[object, tuple[PoolView, ...]] = {}

    def at(self, task: Task) -> Prospect:
        if task.state is not TaskState.PENDING:
            worker = self._view.get(Attempt, task.attempts[-1]).worker if task.attempts else ""
            why = Reason(task.cause.message) if task.cause is not None else self._reasons.reason(task)
            return Prospect(task.state, worker, reason=why)
        pools = self._pools_for(task)
        if worker := self._worker.get(task.id, ""):
            victims = tuple(self._victims.get(task.id, ()))
            why = Reason() if victims else self._reasons.makes_room(worker, self._after[task.id])
            return Prospect(task.state, worker, victims, why, pools)
        reason = self._reasons.reason(task)
        if task.job in self._hopeless:
            reason = Reason(self._hopeless[task.job], reason.remedy)
        return Prospect(task.state, reason=reason, pools=pools)

    def _pools_for(self, task: Task) -> tuple[PoolView, ...]:
        shape = task.demand.shape
        if shape not in self._pools:
            self._pools[shape] = tuple(self._reasons.pools(shape))
        return self._pools[shape]
