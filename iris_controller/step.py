"""One step: a batch of commands, what is due, and the placing of what waits, all in one draft."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from attrs import evolve, field, frozen

from iris_api.ids import new_uid
from iris_api.jobs import Cause, CauseKind, JobState
from iris_controller.clock import Now
from iris_controller.reasons import Reasons
from iris_controller.rows import Attempt, Endpoint, Job, Row, Worker
from iris_controller.rules import Rules
from iris_controller.schedule import schedule
from iris_controller.state import Draft
from iris_controller.timers import Due
from iris_controller.transitions.attempts import place
from iris_controller.transitions.gangs import preempt
from iris_controller.transitions.jobs import doom
from iris_controller.transitions.timeouts import expire

__all__ = ["Command", "Outcome", "apply", "expire_due", "forgive", "place_all"]

Command = Callable[[Draft, Now], Any]


@frozen
class Outcome:
    """What a command returned, or the exception that undid it."""

    value: Any = None
    error: Exception | None = field(default=None)


def apply(draft: Draft, commands: Iterable[Command], now: Now) -> list[Outcome]:
    """Run each command on what those before it left. One that raises leaves nothing behind."""
    return [_isolated(draft, command, now) for command in commands]


def expire_due(draft: Draft, due: Sequence[Due], rules: Rules, now: Now) -> list[Outcome]:
    """Carry out what is due."""
    if not due:
        return []
    reasons = Reasons(draft, rules, now, draft.state.room)

    def command(kind: type[Any], key: str) -> Command:
        return lambda draft, now: _expire(draft, draft.find(kind, key), reasons, rules, now)

    return apply(draft, [command(kind, key) for kind, key in due], now)


def forgive(draft: Draft, now: Now) -> None:
    """This process slept or was stuck, so that nobody could be heard: graces and leases start anew."""
    for worker in list(draft.rows(Worker)):
        draft.put(evolve(worker, last_seen=now.mono))
    for endpoint in list(draft.rows(Endpoint)):
        if endpoint.lease:
            draft.put(evolve(endpoint, expires=now.mono + endpoint.lease))


def place_all(
    draft: Draft, rules: Rules, now: Now, make_uid: Callable[[], str] = new_uid, limit: int = sys.maxsize
) -> float | None:
    """Place what can be placed now, up to `limit` tasks, with what must end to make room; end what never
    can be. Returns the seconds after which there may be more to do; None: only a change can bring that."""
    room = draft.state.room
    room.sync(draft, draft.touched_workers())
    plan = schedule(draft, rules, now, room, limit)
    for eviction in plan.evictions:
        preempt(draft, draft.get(Attempt, eviction.victim.uid), eviction.for_, now)
    for one in plan.assignments:
        place(draft, one.task, draft.get(Worker, one.worker), make_uid(), now, one.after)
    for job_id, reason in plan.hopeless:
        cause = Cause(kind=CauseKind.UNSCHEDULABLE, message=reason)
        doom(draft, draft.get(Job, job_id), JobState.UNSCHEDULABLE, cause, cause, now)
    return plan.again


def _isolated(draft: Draft, command: Command, now: Now) -> Outcome:
    mark = draft.mark()
    try:
        return Outcome(command(draft, now))
    except Exception as error:  # whoever gave the command gets it
        draft.rollback(mark)
        return Outcome(error=error)


def _expire(draft: Draft, row: Row | None, reasons: Reasons, rules: Rules, now: Now) -> None:
    if row is not None:
        expire(draft, row, lambda task: reasons.of(task), rules.grace, now)
