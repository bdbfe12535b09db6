"""Workers that fail what they are given: they rest for a while, longer each time."""

from __future__ import annotations

from typing import Final

from attrs import evolve

from iris_api.jobs import Cause, CauseKind
from iris_controller.clock import Now
from iris_controller.rows import Attempt, Worker
from iris_controller.state import Draft

__all__ = ["note_health"]

_FAULTS: Final = 3  # in a row, before it rests
_JOBS: Final = 2  # that these are of at least: a job that fails everywhere is not the worker's fault
_REST: Final = (10.0, 600.0)  # seconds the first time, doubled each time, and at most
_OWN: Final = (CauseKind.ENVIRONMENT, CauseKind.WORKER_LOST, CauseKind.KILLED_OUTSIDE)
_ORDERED: Final = (
    CauseKind.CANCELLED,
    CauseKind.PREEMPTED,
    CauseKind.GANG_ENDED,
    CauseKind.PARENT_ENDED,
    CauseKind.SIBLING_FAILED,
    CauseKind.TIMEOUT,
)


def note_health(draft: Draft, attempt: Attempt, cause: Cause | None, now: Now) -> None:
    """What the end of an attempt says of its worker. An ordered end says nothing."""
    worker = draft.find(Worker, attempt.worker)
    if worker is None or worker.lost or (cause is not None and cause.kind in _ORDERED):
        return
    if cause is None or cause.kind not in _OWN:
        if worker.faults or worker.rests:
            draft.put(evolve(worker, faults=(), rests=0))
        return
    faults = (*worker.faults, attempt.job.root)[-_FAULTS:]
    if len(faults) < _FAULTS or len(set(faults)) < _JOBS:
        draft.put(evolve(worker, faults=faults))
        return
    first, most = _REST
    pause = min(most, first * 2 ** min(worker.rests, 20))
    draft.put(evolve(worker, faults=faults, rests=worker.rests + 1, rests_until=now.mono + pause))
