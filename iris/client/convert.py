"""From the wire to the values that users see."""

from __future__ import annotations

import datetime

from iris.client.status import (
    AttemptStatus,
    JobStatus,
    LogEntry,
    PoolProspect,
    TaskProspect,
    TaskStatus,
    WorkerStatus,
)
from iris_api.jobs import Cause, JobState, TaskState
from iris_api.rpc import cluster_pb2 as pb
from iris_api.rpc.convert import cause_from_proto, resources_from_proto

__all__ = ["job_status", "log_entry", "prospect", "worker_status"]


def job_status(message: pb.JobStatus) -> JobStatus:
    return JobStatus(
        job_id=message.job_id,
        name=message.name,
        state=JobState(message.state),
        replicas=message.replicas,
        priority=message.priority,
        user=message.user,
        submitted=message.submitted,
        started=message.started or None,
        finished=message.finished or None,
        cause=_cause(message),
        pending_reason=message.pending_reason,
        task_counts={TaskState(state): count for state, count in message.task_counts.items()},
        tasks=tuple(_task_status(task) for task in message.tasks),
    )


def worker_status(message: pb.WorkerStatus) -> WorkerStatus:
    return WorkerStatus(
        worker_id=message.worker_id,
        pool=message.pool,
        state=message.state,
        total=resources_from_proto(message.total),
        used=resources_from_proto(message.used),
        attempts=message.attempts,
        last_seen=message.last_seen_seconds,
        attributes=dict(message.attributes),
        version=message.version,
        advertise_host=message.advertise_host,
    )


def prospect(message: pb.Prospect) -> TaskProspect:
    return TaskProspect(
        indexes=tuple(message.indexes),
        state=TaskState(message.state),
        worker_id=message.worker_id,
        preempts=tuple(message.preempts),
        reason=message.reason,
        remedy=message.remedy,
        pools=tuple(
            PoolProspect(
                pool=pool.pool,
                workers=pool.workers,
                matching=pool.matching,
                large_enough=pool.large_enough,
                with_room=pool.with_room,
            )
            for pool in message.pools
        ),
    )


def log_entry(message: pb.LogEntry) -> LogEntry:
    moment = datetime.datetime.fromtimestamp(message.timestamp_us / 1e6, tz=datetime.UTC)
    return LogEntry(moment, message.source, message.data)


def _task_status(message: pb.TaskStatus) -> TaskStatus:
    return TaskStatus(
        task_id=message.task_id,
        index=message.index,
        state=TaskState(message.state),
        pending_reason=message.pending_reason,
        attempts=tuple(_attempt_status(attempt) for attempt in message.attempts),
        cause=_cause(message),
    )


def _attempt_status(message: pb.AttemptStatus) -> AttemptStatus:
    return AttemptStatus(
        uid=message.uid,
        number=message.number,
        state=TaskState(message.state),
        worker_id=message.worker_id,
        assigned=message.assigned or None,
        started=message.started or None,
        finished=message.finished or None,
        cause=_cause(message),
        after=tuple(message.after),
    )


def _cause(message: pb.JobStatus | pb.TaskStatus | pb.AttemptStatus) -> Cause | None:
    return cause_from_proto(message.cause) if message.HasField("cause") else None
