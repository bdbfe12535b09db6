"""The Controller service: what a user's program calls."""

from __future__ import annotations

import secrets
from itertools import islice
from typing import Any, Final

from iris_api.errors import Refused
from iris_api.ids import JobId, TaskId
from iris_api.jobs import ExistingJob, JobState
from iris_api.rpc import cluster_pb2 as pb
from iris_api.rpc.convert import member, spec_from_proto
from iris_api.rpc.version import VERSION
from iris_controller.core import Core, checked, seconds
from iris_controller.logs import LogLine
from iris_controller.prospects import explain, foresee
from iris_controller.rows import Attempt, Job, Task, Worker
from iris_controller.status import job_status, prospect_message, worker_status
from iris_controller.transitions.jobs import terminate
from iris_controller.transitions.submit import Submit, submit

__all__ = ["ControllerService"]

_HOLD: Final = 60.0  # seconds that an answer is held at most
_JOBS: Final = 1_000
_LINES: Final = 10_000


def _new_root_id(name: str) -> str:
    return f"{name}-{secrets.token_hex(4)}"


class ControllerService:
    """Implements the generated Protocol."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def submit_job(self, request: pb.SubmitJobRequest, ctx: Any = None) -> pb.SubmitJobReply:
        wanted = _submit(request)
        bundle = wanted.spec.bundle
        if bundle and not await self._core.on_disk(self._core.bundles.has, bundle):
            raise Refused("failed_precondition", f"bundle {bundle} is not here: PUT /bundles/{bundle} first")
        rules = self._core.loop.rules
        job_id = await self._core.loop.run(lambda draft, now: submit(draft, wanted, _new_root_id, now, rules))
        return pb.SubmitJobReply(job_id=str(job_id))

    async def get_job(self, request: pb.GetJobRequest, ctx: Any = None) -> pb.JobStatus:
        with self._core.polls.hold(("job", request.job_id), seconds(request.hold_ms, _HOLD)) as hold:
            job = self._core.job(request.job_id)
            while request.until_finished and not job.state.ended and not hold.over:
                await hold.wait()
                job = self._core.job(request.job_id)
        return job_status(self._core.state, job, self._core.reasons(), with_tasks=request.with_tasks)

    async def list_jobs(self, request: pb.ListJobsRequest, ctx: Any = None) -> pb.ListJobsReply:
        with checked():
            states = {member(JobState, state, "state") for state in request.states}
        found = (
            job
            for job in self._core.state.newest()
            if (not states or job.state in states) and _starts(job, request.prefix)
        )
        reasons = self._core.reasons()
        jobs = islice(found, request.limit if request.limit > 0 else _JOBS)
        return pb.ListJobsReply(jobs=[job_status(self._core.state, job, reasons) for job in jobs])

    async def terminate_jobs(
        self, request: pb.TerminateJobsRequest, ctx: Any = None
    ) -> pb.TerminateJobsReply:
        ids, by = list(request.job_ids), request.by
        alive = await self._core.loop.run(lambda draft, now: terminate(draft, ids, by, now))
        return pb.TerminateJobsReply(terminated=alive)

    async def list_workers(self, request: pb.ListWorkersRequest, ctx: Any = None) -> pb.ListWorkersReply:
        state, mono = self._core.state, self._core.now().mono
        workers = sorted((one for one in state.rows(Worker) if not one.left), key=lambda worker: worker.id)
        return pb.ListWorkersReply(workers=[worker_status(state, worker, mono) for worker in workers])

    async def get_cluster(self, request: pb.GetClusterRequest, ctx: Any = None) -> pb.GetClusterReply:
        return pb.GetClusterReply(name=self._core.name, version=VERSION, started=self._core.started)

    async def fetch_logs(self, request: pb.FetchLogsRequest, ctx: Any = None) -> pb.FetchLogsReply:
        task_id = _task_id(request.task_id)
        limit = min(request.limit, _LINES) if request.limit > 0 else _LINES
        place = _parse_cursor(request.cursor)
        with self._core.polls.hold(("logs", task_id), seconds(request.hold_ms, _HOLD)) as hold:
            while True:
                uids, ended = self._attempts(task_id, request.attempt_uid)
                lines, place, at_end = await self._read(task_id, uids, place, limit)
                if lines or (ended and at_end) or hold.over:
                    break
                await hold.wait()
        return pb.FetchLogsReply(
            entries=[
                pb.LogEntry(timestamp_us=one.timestamp_us, source=one.source, data=one.data) for one in lines
            ],
            cursor=f"{place[0]}:{place[1]}",
            ended=ended and at_end,
        )

    async def explain_job(self, request: pb.ExplainJobRequest, ctx: Any = None) -> pb.ExplainJobReply:
        """Why each task of a job does not run, and what would make it run."""
        job, state, loop = self._core.job(request.job_id), self._core.state, self._core.loop
        found = explain(state, loop.rules, self._core.now(), job)
        status = job_status(state, job, self._core.reasons())
        return pb.ExplainJobReply(job=status, tasks=[prospect_message(*one) for one in found.items()])

    async def plan_job(self, request: pb.SubmitJobRequest, ctx: Any = None) -> pb.PlanJobReply:
        """What would become of a submit. The bundle need not be here."""
        wanted, loop = _submit(request), self._core.loop
        found = foresee(self._core.state, loop.rules, self._core.now(), wanted, _new_root_id)
        return pb.PlanJobReply(tasks=[prospect_message(*one) for one in found.items()])

    def _attempts(self, task_id: TaskId, uid: str) -> tuple[tuple[str, ...], bool]:
        """The attempts to read, and whether nothing will be added to them."""
        state = self._core.state
        task = state.find(Task, task_id)
        if task is None or (uid and uid not in task.attempts):
            what = f"attempt {uid!r} of task {task_id!r}" if task else f"task {task_id!r}"
            raise Refused("not_found", f"there is no {what}")
        if uid:
            return (uid,), state.get(Attempt, uid).state.ended
        return task.attempts, task.state.ended

    async def _read(
        self, task_id: TaskId, uids: tuple[str, ...], place: tuple[int, int], limit: int
    ) -> tuple[list[LogLine], tuple[int, int], bool]:
        """Entries from a place (attempt, offset) on, and the place behind them. An attempt is left behind
        only once it has ended: a later one follows then, and nothing is added to it."""
        found: list[LogLine] = []
        number, offset = place
        while number < len(uids):
            ended = self._core.state.get(Attempt, uids[number]).state.ended
            lines, offset, at_end = await self._core.on_disk(
                self._core.logs.read, task_id, uids[number], offset, limit - len(found)
            )
            found += lines
            if not at_end or not ended:
                return found, (number, offset), at_end and number == len(uids) - 1
            if number == len(uids) - 1:
                return found, (number, offset), True
            number, offset = number + 1, 0
        return found, (number, offset), True


def _submit(request: pb.SubmitJobRequest) -> Submit:
    """Raises Refused saying what is allowed."""
    with checked():
        return Submit(
            spec=spec_from_proto(request.spec),
            parent=request.parent,
            parent_attempt=request.parent_attempt,
            existing=member(ExistingJob, request.existing or ExistingJob.ERROR, "existing"),
            request_id=request.request_id,
            user=request.user,
        )


def _starts(job: Job, prefix: str) -> bool:
    return job.id.startswith(prefix) or job.spec.name.startswith(prefix)


def _task_id(text: str) -> TaskId:
    job, colon, index = text.rpartition(":")
    if not (job and colon and index.isdecimal()):
        raise Refused("invalid_argument", f"task id {text!r} is not allowed: it looks like job/child:0")
    return JobId(job).task(int(index))


def _parse_cursor(cursor: str) -> tuple[int, int]:
    parts = cursor.split(":") if cursor else ["0", "0"]
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise Refused("invalid_argument", f"cursor {cursor!r} is not allowed: give that of an earlier reply")
    return int(parts[0]), int(parts[1])
