"""The values that a job is described with."""

from iris_api.ids import JobId, TaskId
from iris_api.jobs import (
    Cause,
    CauseKind,
    Constraint,
    ConstraintOp,
    CoschedulingConfig,
    Entrypoint,
    EnvironmentSpec,
    ExistingJob,
    JobState,
    TaskState,
)
from iris_api.resources import ResourceSpec

__all__ = [
    "Cause",
    "CauseKind",
    "Constraint",
    "ConstraintOp",
    "CoschedulingConfig",
    "Entrypoint",
    "EnvironmentSpec",
    "ExistingJob",
    "JobId",
    "JobState",
    "ResourceSpec",
    "TaskId",
    "TaskState",
]
