"""From how a sandbox ended to a typed cause, and from a cause to who pays and how long to back off."""

from __future__ import annotations

import enum
import signal
from typing import Final

from iris_api.jobs import Cause, CauseKind, TaskState
from iris_api.platform import Exit, ExitKind

__all__ = ["Blame", "backoff", "blame", "cause_of", "state_after"]


class Blame(enum.Enum):
    """Which budget pays for another attempt."""

    USER = "user"
    PLATFORM = "platform"
    ORDER = "order"  # it was told to end: no other attempt
    FREE = "free"  # it ended with its gang, of which another one's budget pays


_BLAME: Final = {
    CauseKind.EXIT: Blame.USER,
    CauseKind.EXCEPTION: Blame.USER,
    CauseKind.SIGNAL: Blame.USER,
    CauseKind.OUT_OF_MEMORY: Blame.USER,
    CauseKind.WORKER_LOST: Blame.PLATFORM,
    CauseKind.KILLED_OUTSIDE: Blame.PLATFORM,
    CauseKind.PREEMPTED: Blame.PLATFORM,
    CauseKind.ENVIRONMENT: Blame.PLATFORM,
    CauseKind.TIMEOUT: Blame.ORDER,
    CauseKind.CANCELLED: Blame.ORDER,
    CauseKind.PARENT_ENDED: Blame.ORDER,
    CauseKind.SIBLING_FAILED: Blame.ORDER,
    CauseKind.GANG_ENDED: Blame.FREE,
    CauseKind.UNSCHEDULABLE: Blame.ORDER,
}
_STATES: Final = {
    CauseKind.PREEMPTED: TaskState.PREEMPTED,
    CauseKind.TIMEOUT: TaskState.FAILED,
    CauseKind.UNSCHEDULABLE: TaskState.UNSCHEDULABLE,
}
_BY_BLAME: Final = {
    Blame.USER: TaskState.FAILED,
    Blame.PLATFORM: TaskState.WORKER_FAILED,
    Blame.ORDER: TaskState.KILLED,
    Blame.FREE: TaskState.KILLED,
}
_ORDERS: Final = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)  # what machines and people end processes by
_BACKOFF: Final = {Blame.USER: (0.2, 10.0), Blame.PLATFORM: (0.5, 60.0)}


def blame(cause: Cause) -> Blame:
    return _BLAME[cause.kind]


def state_after(cause: Cause | None) -> TaskState:
    """The state of what ended so."""
    if cause is None:
        return TaskState.SUCCEEDED
    return _STATES.get(cause.kind) or _BY_BLAME[blame(cause)]


def backoff(payer: Blame, count: int) -> float:
    """Seconds to wait after the `count`-th failure that this budget pays for, from 1."""
    first, limit = _BACKOFF[payer]
    return float(min(limit, first * 2 ** min(count - 1, 30)))


def cause_of(end: Exit, last_lines: tuple[str, ...] = ()) -> Cause | None:
    """Why it ended, from the exit alone; None for success."""
    if end.success:
        return None
    kind, message = _explain(end)
    return Cause(
        kind=kind,
        message=message,
        exit_code=end.code,
        signal=end.signal,
        memory_peak=end.memory_peak,
        last_lines=last_lines,
        of_job=end.of_job,
    )


def _explain(end: Exit) -> tuple[CauseKind, str]:
    match end.kind:
        case ExitKind.EXITED:
            why = f": {end.message}" if end.message else ""
            return CauseKind.EXIT, f"task exited with code {end.code}{why}"
        case ExitKind.RAISED:
            return CauseKind.EXCEPTION, end.message or "task raised an exception"
        case ExitKind.OUT_OF_MEMORY:
            peak = f" at {end.memory_peak} bytes" if end.memory_peak else ""
            return CauseKind.OUT_OF_MEMORY, end.message or f"task ran out of memory{peak}"
        case ExitKind.ENVIRONMENT:
            return CauseKind.ENVIRONMENT, end.message or "the task's environment could not be made"
        case ExitKind.SIGNALED if end.signal in _ORDERS:
            name = signal.Signals(end.signal).name
            return CauseKind.KILLED_OUTSIDE, f"killed by {name} that Iris did not order"
        case ExitKind.SIGNALED:
            return CauseKind.SIGNAL, f"killed by signal {end.signal}{_signal_name(end.signal)}"
        case ExitKind.ABANDONED:
            return CauseKind.WORKER_LOST, end.message or "its thread was abandoned without an order to stop"
        case _:
            return CauseKind.WORKER_LOST, end.message or "it is gone, and nobody saw how it ended"


def _signal_name(number: int | None) -> str:
    try:
        return f" ({signal.Signals(number or 0).name})"
    except ValueError:
        return ""
