"""The death certificate: why a job, or an attempt, ended as it did, for somebody to read."""

from __future__ import annotations

import datetime
import signal
from collections.abc import Iterator
from typing import Final

from iris.client.status import AttemptStatus, JobStatus, TaskStatus
from iris_api.jobs import Cause, TaskState

__all__ = ["attempt_line", "cause_facts", "certificate", "culprit", "span"]

_EARLIER: Final = 5  # attempts before the last one that are told of


def culprit(status: JobStatus) -> TaskStatus | None:
    """The task for whose cause the job ended: of that cause, else of that kind; None if no task has it."""
    failed = [task for task in status.tasks if task.state.ended and task.state is not TaskState.SUCCEEDED]
    same = [task for task in failed if task.cause == status.cause]
    akin = [task for task in failed if task.cause and status.cause and task.cause.kind is status.cause.kind]
    return next(iter([*same, *akin]), None)


def certificate(status: JobStatus, *, output: bool = True) -> str:
    """Why the job ended: what failed, where, when, after how long, what came before, and unless `output` is
    false the last lines that it wrote. `status` with tasks."""
    task = culprit(status)
    cause = task.cause if task is not None and task.cause is not None else status.cause
    head = f"job {status.job_id} {status.state}: {cause.message if cause else 'no cause was recorded'}"
    lines = [head, *_task_lines(task, cause)]
    if output and cause is not None and cause.last_lines:
        lines += ["last lines of output:", *(f"  | {line}" for line in cause.last_lines)]
    return "\n".join(lines)


def attempt_line(attempt: AttemptStatus) -> str:
    """One attempt that has ended: ``attempt 0 on w-1: FAILED after 2.0 s: task exited with code 3``."""
    why = f": {attempt.cause.message}" if attempt.cause else ""
    return f"{_attempt(attempt)}: {attempt.state}{_after(attempt)}{why}"


def cause_facts(cause: Cause) -> str:
    """All that is known beside the message: ``exit, exit code 3, memory peak 34 MB``."""
    facts = [str(cause.kind)]
    facts += [f"exit code {cause.exit_code}"] if cause.exit_code is not None else []
    facts += [f"signal {cause.signal}{_signal_name(cause.signal)}"] if cause.signal is not None else []
    facts += [f"memory peak {cause.memory_peak / 1e6:.0f} MB"] if cause.memory_peak else []
    facts += [f"by {cause.by}"] if cause.by else []
    return ", ".join(facts)


def span(seconds: float) -> str:
    """``0.3 s``, ``12 s``, ``2 h 5 min``."""
    if seconds < 10:
        return f"{max(seconds, 0.0):.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = int(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def _task_lines(task: TaskStatus | None, cause: Cause | None) -> Iterator[str]:
    last = task.attempts[-1] if task is not None and task.attempts else None
    if task is not None:
        yield f"  task    {task.task_id}" + (f", {_attempt(last)}" if last else ", never placed")
    if cause is not None:
        yield f"  cause   {cause_facts(cause)}"
    if last is not None and last.finished is not None:
        yield f"  when    {_moment(last.finished)}, {_after(last).strip() or 'before it ran'}"
    before = task.attempts[:-1] if task is not None else ()
    if len(before) > _EARLIER:
        yield f"  before  {len(before) - _EARLIER} attempts more"
    for attempt in before[-_EARLIER:]:
        yield f"  before  {attempt_line(attempt)}"


def _attempt(attempt: AttemptStatus) -> str:
    return f"attempt {attempt.number} on {attempt.worker_id}"


def _after(attempt: AttemptStatus) -> str:
    if attempt.started is None or attempt.finished is None:
        return ""
    return f" after {span(attempt.finished - attempt.started)}"


def _moment(wall: float) -> str:
    return f"{datetime.datetime.fromtimestamp(wall, tz=datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"


def _signal_name(number: int) -> str:
    try:
        return f" ({signal.Signals(number).name})"
    except ValueError:
        return ""
