"""What a worker reports, and what its silence means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import evolve, field, frozen

from iris_api.errors import Refused
from iris_api.jobs import Cause, CauseKind, TaskState
from iris_api.platform import Exit, ExitKind
from iris_api.resources import ResourceSpec
from iris_api.rpc.incarnation import precedes
from iris_controller.clock import Now
from iris_controller.feasibility import fits, matches
from iris_controller.rows import Attempt, Worker
from iris_controller.state import Draft, Index
from iris_controller.transitions.attempts import advance, began, end_attempt
from iris_controller.transitions.causes import cause_of
from iris_controller.transitions.health import note_health

__all__ = ["FORGET", "Observed", "Report", "is_known", "lose_worker", "observe"]

FORGET: Final = 3600.0  # seconds for which a lost worker is shown
_REMEMBERED: Final = 8  # earlier incarnations of a worker


@frozen(kw_only=True)
class Observed:
    """`exit` is None while it goes on. `stopped`: the worker had signalled it before it ended."""

    state: TaskState
    exit: Exit | None = None
    stopped: bool = False
    last_lines: tuple[str, ...] = ()
    started: float = 0.0


@frozen(kw_only=True)
class Report:
    """Everything that a worker has, as of `sequence`. `known_revision` of the desire it has carried out."""

    worker: str
    incarnation: str
    sequence: int
    pool: str = ""
    slice: str = ""
    resources: ResourceSpec = field(factory=ResourceSpec)
    attributes: Mapping[str, str] = field(factory=dict)
    advertise_host: str = ""
    version: str = ""
    attempts: Mapping[str, Observed] = field(factory=dict)
    known_revision: int = 0
    leaving: bool = False


def observe(draft: Draft, report: Report, now: Now) -> None:
    """Take over what a worker saw. An observation that is not newer than the last only shows life."""
    before = draft.find(Worker, report.worker)
    if report.leaving and before is not None and before.left and report.incarnation in before.past:
        return
    newcomer = before is None or before.incarnation != report.incarnation
    if not newcomer and before is not None and report.sequence <= before.sequence:
        draft.put(evolve(before, last_seen=now.mono))
        return
    worker = _contact(before, report, now)
    draft.put(worker)
    if newcomer:
        _lose_unfit(draft, worker, report, now)
    for uid, seen in report.attempts.items():
        attempt = draft.find(Attempt, uid)
        if attempt is not None and attempt.worker == worker.id and not attempt.state.ended:
            _take_over(draft, attempt, seen, now)
    _lose_missing(draft, report, now)
    if report.leaving:
        _leave(draft, worker, now)


def is_known(worker: Worker, incarnation: str) -> bool:
    """Has this process of the worker been heard, and not been given up since?"""
    return worker.incarnation == incarnation and not worker.lost


def _contact(before: Worker | None, report: Report, now: Now) -> Worker:
    revision = 1
    past: tuple[str, ...] = ()
    health: dict[str, Any] = {}
    if before is not None:
        if report.incarnation in before.past or precedes(report.incarnation, _last(before)):
            why = "has left" if before.left else "runs in a newer process"
            raise Refused(
                "aborted",
                f"worker {report.worker} {why}: this one (incarnation {report.incarnation}) must end",
            )
        revision, past = before.revision, before.past
        if before.incarnation == report.incarnation:
            health = {"faults": before.faults, "rests": before.rests, "rests_until": before.rests_until}
        else:
            past = _past(before)
    if report.known_revision > revision:  # of an earlier controller, which is forgotten
        revision = report.known_revision + 1
    return Worker(
        id=report.worker,
        incarnation=report.incarnation,
        pool=report.pool,
        slice=report.slice,
        resources=report.resources,
        attributes=report.attributes,
        advertise_host=report.advertise_host,
        version=report.version,
        revision=revision,
        past=past,
        sequence=report.sequence,
        known_revision=report.known_revision,
        last_seen=now.mono,
        **health,
    )


def _last(worker: Worker) -> str:
    """The incarnation of the process that was heard last."""
    return worker.past[-1] if worker.left else worker.incarnation


def _past(worker: Worker) -> tuple[str, ...]:
    """The incarnations that its next process comes after."""
    last = () if worker.left else (worker.incarnation,)
    return (*worker.past, *last)[-_REMEMBERED:]


def _leave(draft: Draft, worker: Worker, now: Now) -> None:
    """What it ran is lost. The row stays for a while: a message of this process that was under way for long
    must not displace the next one."""
    _end_all(draft, worker.id, f"worker {worker.id} has left", now)
    left = draft.get(Worker, worker.id)
    draft.put(evolve(left, incarnation="", past=_past(left), lost=True, last_seen=now.mono))


def _take_over(draft: Draft, attempt: Attempt, seen: Observed, now: Now) -> None:
    if seen.exit is None:
        advance(draft, attempt, seen.state, seen.started, now)
        return
    if attempt.started is None and seen.started:  # it was over before anybody said that it ran
        attempt = began(draft, attempt, seen.started, now)
    cause = _judge(attempt, seen, seen.exit)
    if not seen.exit.of_job:
        note_health(draft, attempt, cause, now)
    end_attempt(draft, attempt, cause, now)


def _judge(attempt: Attempt, seen: Observed, end: Exit) -> Cause | None:
    """The order to stop counts only if the worker had passed it on before the end; but in a gang that is
    being ended, whatever a task does is a consequence of that."""
    if not seen.stopped and not (attempt.kill is not None and attempt.kill.kind is CauseKind.GANG_ENDED):
        return cause_of(end, seen.last_lines)
    if attempt.kill is None:
        return Cause(
            kind=CauseKind.WORKER_LOST,
            message=end.message or f"worker {attempt.worker} stopped it of its own accord",
            exit_code=end.code,
            signal=end.signal,
            memory_peak=end.memory_peak,
            last_lines=seen.last_lines,
        )
    abandoned = "; its thread did not stop and was abandoned" if end.kind is ExitKind.ABANDONED else ""
    return evolve(
        attempt.kill,
        message=attempt.kill.message + abandoned,
        exit_code=end.code,
        signal=end.signal,
        memory_peak=end.memory_peak,
        last_lines=seen.last_lines,
    )


def _lose_missing(draft: Draft, report: Report, now: Now) -> None:
    """What was handed out and is not there any more is lost: nobody will ever report its end."""
    for uid in draft.ids(Index.HELD, report.worker):
        if uid in report.attempts:
            continue
        attempt = draft.get(Attempt, uid)
        if attempt.state.ended or attempt.after:  # with its gang; or the worker has not been told of it
            continue
        if attempt.incarnation != report.incarnation:
            _lose(draft, attempt, f"worker {report.worker} started anew without it", now)
        elif attempt.revision <= report.known_revision:
            _lose(draft, attempt, f"worker {report.worker} does not have it any more", now)


def _lose_unfit(draft: Draft, worker: Worker, report: Report, now: Now) -> None:
    """What waits for room on a worker was placed by what its earlier process had to offer: it goes
    elsewhere where this one is too small for it, or of another kind."""
    held = [draft.get(Attempt, uid) for uid in draft.walk(Index.HELD, worker.id)]
    stays = [one.resources for one in held if one.desired and one.uid in report.attempts]
    cpu = worker.resources.cpu - sum(one.cpu for one in stays)
    memory = worker.resources.memory - sum(one.memory for one in stays)
    for one in held:
        attempt = draft.get(Attempt, one.uid)
        if attempt.state.ended or not attempt.after:  # it may have ended with its gang
            continue
        wanted = attempt.resources
        if matches(worker, attempt.demand.shape) and fits(wanted, cpu, memory):
            cpu, memory = cpu - wanted.cpu, memory - wanted.memory
        else:
            _lose(draft, attempt, f"worker {worker.id} started anew and cannot hold it", now)


def lose_worker(draft: Draft, worker: Worker, now: Now) -> None:
    """It has been silent for too long: what it ran is lost, whatever it still does."""
    draft.put(evolve(worker, lost=True, revision=worker.revision + 1))
    silence = f"worker {worker.id} has been silent for {now.mono - worker.last_seen:.0f} s"
    _end_all(draft, worker.id, silence, now)


def _end_all(draft: Draft, worker: str, message: str, now: Now) -> None:
    for uid in draft.ids(Index.HELD, worker):
        attempt = draft.get(Attempt, uid)
        if not attempt.state.ended:
            _lose(draft, attempt, message, now)


def _lose(draft: Draft, attempt: Attempt, message: str, now: Now) -> None:
    """An attempt that was told to stop and is gone has ended by that order."""
    lost = Cause(kind=CauseKind.WORKER_LOST, message=message)
    end_attempt(draft, attempt, attempt.kill or lost, now)
