"""What a client of a cluster may have to act on."""

from __future__ import annotations

from iris_api.errors import IrisError
from iris_api.jobs import Cause, JobState

__all__ = [
    "AccessDenied",
    "ControllerUnreachable",
    "JobExists",
    "JobFailedError",
    "JobNotFound",
    "VersionMismatch",
    "WaitTimeout",
]


class ControllerUnreachable(IrisError, ConnectionError):
    """Nobody answers at the controller's address, or no longer."""


class AccessDenied(IrisError, PermissionError):
    """The controller refuses this caller: wrong token or foreign origin."""


class VersionMismatch(IrisError):
    """Client and controller are of versions that do not work together."""


class JobNotFound(IrisError, LookupError):
    """No job or task of that id."""


class JobExists(IrisError):
    """The name is taken; see the `existing` argument of submit."""


class WaitTimeout(IrisError, TimeoutError):
    """A wait ran out; the message says what it waited for and what it last saw."""


class JobFailedError(IrisError):
    """A job ended in another state than SUCCEEDED. `cause` is the one proven reason."""

    def __init__(self, job_id: str, state: JobState, cause: Cause | None, task_id: str = "") -> None:
        super().__init__(job_id, state, cause, task_id)
        self.job_id = job_id
        self.state = state
        self.cause = cause
        self.task_id = task_id

    def __str__(self) -> str:
        where = f" (task {self.task_id})" if self.task_id else ""
        why = self.cause.message if self.cause else "no cause was recorded"
        lines = self.cause.last_lines if self.cause else ()
        output = "".join(f"\n  | {line}" for line in lines)
        return f"job {self.job_id} {self.state}: {why}{where}" + (
            f"\nlast lines of output:{output}" if output else ""
        )
