"""What a client of a cluster may have to act on."""

from __future__ import annotations

from iris.client.certificate import certificate, culprit
from iris.client.status import AttemptStatus, JobStatus
from iris_api.errors import IrisError
from iris_api.jobs import Cause

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
    """A job ended in another state than SUCCEEDED. Its text is the death certificate.

    `status` is the whole of it. `cause` is the one proven reason: kind, message, exit code, signal, memory
    peak, who ordered it, last lines. `task_id` names the task that it is about (empty: none), `attempts` are
    all of that task, the oldest first, each with its worker, its times and its own cause.
    """

    def __init__(self, status: JobStatus) -> None:
        super().__init__(status)
        task = culprit(status)
        self.status = status
        self.job_id = status.job_id
        self.state = status.state
        self.task_id = task.task_id if task is not None else ""
        self.attempts: tuple[AttemptStatus, ...] = task.attempts if task is not None else ()
        self.cause: Cause | None = task.cause if task is not None else status.cause

    def __str__(self) -> str:
        return certificate(self.status)
