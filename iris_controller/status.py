"""Rows as clients see them: messages of cluster.proto."""

from __future__ import annotations

from collections.abc import Sequence

from iris_api.jobs import DEFAULT_PRIORITY, TaskState
from iris_api.rpc import cluster_pb2 as pb
from iris_api.rpc.convert import cause_to_proto, entry_to_proto, environment_to_proto, resources_to_proto
from iris_controller.prospects import Prospect
from iris_controller.reasons import Reasons
from iris_controller.rows import Attempt, Endpoint, Job, Task, Worker
from iris_controller.state import Index, View

__all__ = ["endpoint_message", "job_status", "prospect_message", "run_spec", "worker_status"]


def job_status(view: View, job: Job, reasons: Reasons, *, with_tasks: bool = False) -> pb.JobStatus:
    counts = {state: view.task_count(job.id, state) for state in TaskState}
    return pb.JobStatus(
        job_id=job.id,
        name=job.spec.name,
        state=job.state,
        submitted=job.submitted,
        started=job.started or 0.0,
        finished=job.finished or 0.0,
        cause=cause_to_proto(job.cause) if job.cause else None,
        pending_reason=_job_reason(view, job, reasons) if counts[TaskState.PENDING] else "",
        task_counts={state: count for state, count in counts.items() if count},
        tasks=[_task_status(view, task, reasons) for task in view.tasks(job)] if with_tasks else (),
        replicas=job.spec.replicas,
        priority=job.spec.priority or DEFAULT_PRIORITY,
        user=job.user,
    )


def _job_reason(view: View, job: Job, reasons: Reasons) -> str:
    """That of one of the tasks that wait."""
    for task_id in view.walk(Index.TASKS, (job.id, TaskState.PENDING)):
        return reasons.of(view.get(Task, task_id))
    return ""


def _task_status(view: View, task: Task, reasons: Reasons) -> pb.TaskStatus:
    return pb.TaskStatus(
        task_id=task.id,
        index=task.index,
        state=task.state,
        pending_reason=reasons.of(task),
        attempts=[_attempt_status(view.get(Attempt, uid)) for uid in task.attempts],
        cause=cause_to_proto(task.cause) if task.cause else None,
    )


def _attempt_status(attempt: Attempt) -> pb.AttemptStatus:
    cause = attempt.cause or attempt.kill
    return pb.AttemptStatus(
        uid=attempt.uid,
        number=attempt.number,
        state=attempt.state,
        worker_id=attempt.worker,
        assigned=attempt.assigned,
        started=attempt.started or 0.0,
        finished=attempt.finished or 0.0,
        cause=cause_to_proto(cause) if cause else None,
        after=attempt.after,
    )


def prospect_message(prospect: Prospect, indexes: Sequence[int]) -> pb.Prospect:
    return pb.Prospect(
        indexes=indexes,
        state=prospect.state,
        worker_id=prospect.worker,
        preempts=prospect.preempts,
        reason=prospect.reason.why,
        remedy=prospect.reason.remedy,
        pools=[
            pb.PoolProspect(
                pool=pool.pool,
                workers=pool.workers,
                matching=pool.matching,
                large_enough=pool.large_enough,
                with_room=pool.with_room,
            )
            for pool in prospect.pools
        ],
    )


def worker_status(view: View, worker: Worker, mono: float) -> pb.WorkerStatus:
    return pb.WorkerStatus(
        worker_id=worker.id,
        pool=worker.pool,
        state="lost" if worker.lost else "resting" if worker.rests_until else "healthy",
        total=resources_to_proto(worker.resources),
        used=resources_to_proto(view.used(worker.id)),
        attempts=view.count(Index.HELD, worker.id),
        last_seen_seconds=mono - worker.last_seen,
        attributes=worker.attributes,
        version=worker.version,
        advertise_host=worker.advertise_host,
    )


def endpoint_message(endpoint: Endpoint) -> pb.Endpoint:
    return pb.Endpoint(
        uid=endpoint.uid,
        name=endpoint.name,
        address=endpoint.address,
        attempt_uid=endpoint.attempt,
        metadata=endpoint.metadata,
    )


def run_spec(job: Job, task: Task) -> pb.RunSpec:
    """All that a worker needs to run a task."""
    spec = job.spec
    return pb.RunSpec(
        job_id=job.id,
        task_id=task.id,
        task_index=task.index,
        num_tasks=spec.replicas,
        entry=entry_to_proto(spec.entry),
        resources=resources_to_proto(spec.resources),
        environment=environment_to_proto(spec),
        ports=spec.ports,
    )
