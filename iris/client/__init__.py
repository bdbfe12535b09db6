"""What a user of a cluster imports."""

from iris.client.client import IrisClient
from iris.client.context import IrisContext, get_iris_ctx, iris_ctx
from iris.client.errors import (
    AccessDenied,
    ControllerUnreachable,
    JobExists,
    JobFailedError,
    JobNotFound,
    VersionMismatch,
    WaitTimeout,
)
from iris.client.job import Job, Task
from iris.client.status import (
    AttemptStatus,
    JobStatus,
    LogEntry,
    PoolProspect,
    TaskProspect,
    TaskStatus,
    WorkerStatus,
)
from iris.client.worker_pool import WorkerPool, WorkerPoolConfig

__all__ = [
    "AccessDenied",
    "AttemptStatus",
    "ControllerUnreachable",
    "IrisClient",
    "IrisContext",
    "Job",
    "JobExists",
    "JobFailedError",
    "JobNotFound",
    "JobStatus",
    "LogEntry",
    "PoolProspect",
    "Task",
    "TaskProspect",
    "TaskStatus",
    "VersionMismatch",
    "WaitTimeout",
    "WorkerPool",
    "WorkerPoolConfig",
    "WorkerStatus",
    "get_iris_ctx",
    "iris_ctx",
]
