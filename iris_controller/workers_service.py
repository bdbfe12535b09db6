"""The Workers service: what a worker calls."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from typing import Any, Final

from attrs import evolve

from iris_api.errors import Refused
from iris_api.jobs import TaskState
from iris_api.platform import Exit, ExitKind
from iris_api.rpc import cluster_pb2 as pb
from iris_api.rpc.convert import exit_from_proto, member, resources_from_proto
from iris_controller.clock import Now
from iris_controller.core import Core, checked, seconds
from iris_controller.polls import Hold
from iris_controller.rows import Attempt, Job, Task, Worker
from iris_controller.state import Draft, Index
from iris_controller.status import run_spec
from iris_controller.transitions.workers import Observed, Report, is_known, observe

__all__ = ["WorkersService"]

_HOLD: Final = 10.0  # seconds that a poll is held for at most
_ANSWERS: Final = 3  # in the time after which a silent worker is lost
_EXITED: Final = "EXITED"
_REMEMBERED: Final = 20_000  # workers whose description and first poll are


class WorkersService:
    """Implements the generated Protocol."""

    def __init__(self, core: Core, absence: float) -> None:
        self._core, self._absence = core, absence
        self._polls: dict[str, Hold] = {}
        self._met: dict[str, None] = {}  # incarnations that have had an answer
        self._told: dict[str, bytes] = {}  # by worker, the content of what was taken last

    async def reconcile(self, request: pb.ReconcileRequest, ctx: Any = None) -> pb.ReconcileReply:
        _check_identity(request)
        self._check_cluster(request.cluster)
        await self._take(request)
        if request.report_only or request.leaving:
            worker = self._core.state.find(Worker, request.worker_id)
            return self._answer(request, worker.revision if worker else 0)
        await self._until_newer(request)
        return self._desire(request)

    async def _take(self, request: pb.ReconcileRequest) -> None:
        """Take over what a worker saw; only its life where it says again what it said last."""
        content = _content(request)
        again = self._told.get(request.worker_id) == content

        def command(draft: Draft, now: Now) -> bool:
            """True if nothing newer had come before."""
            worker = draft.find(Worker, request.worker_id)
            if again and worker is not None and is_known(worker, request.incarnation):
                draft.put(evolve(worker, sequence=max(worker.sequence, request.sequence), last_seen=now.mono))
                return True
            observe(draft, _report(request), now)
            worker = draft.find(Worker, request.worker_id)
            return worker is not None and worker.sequence == request.sequence

        with checked():
            taken = await self._core.loop.run(command, report=0 if again else len(request.attempts))
        if taken:
            self._told[request.worker_id] = content
            if len(self._told) > _REMEMBERED:
                del self._told[next(iter(self._told))]

    async def append_logs(self, request: pb.AppendLogsRequest, ctx: Any = None) -> pb.AppendLogsReply:
        """Lines of an attempt that has ended here are refused: of a displaced one nothing is kept, and of
        any other everything came before its end was reported."""
        self._check_cluster(request.cluster)
        attempt = self._core.state.find(Attempt, request.attempt_uid)
        if attempt is None or attempt.task != request.task_id or attempt.state.ended:
            what = f"attempt {request.attempt_uid!r} of task {request.task_id!r}"
            raise Refused("failed_precondition", f"{what} has ended, or never was: its output is not taken")
        try:
            with checked():
                following = await self._core.on_disk(
                    self._core.logs.append,
                    attempt.task,
                    attempt.uid,
                    request.first,
                    request.count,
                    request.lines,
                )
        except OSError as error:  # a full disk, say: the worker keeps it and comes again
            raise Refused("unavailable", f"the output of {attempt.task} cannot be kept: {error}") from error
        self._core.polls.wake([("logs", attempt.task)])
        return pb.AppendLogsReply(next=following)

    async def _until_newer(self, request: pb.ReconcileRequest) -> None:
        """Hold the answer until there is news. A newer poll of the same worker has this one answered, and
        the first since this process started is answered at once: so a worker knows that it is heard."""
        older = self._polls.pop(request.worker_id, None)
        if older is not None:
            older.wake()
        if request.incarnation not in self._met:
            self._met[request.incarnation] = None
            if len(self._met) > _REMEMBERED:
                del self._met[next(iter(self._met))]
            return
        hold_time = seconds(request.hold_ms, min(_HOLD, self._core.loop.rules.grace / _ANSWERS))
        with self._core.polls.hold(("worker", request.worker_id), hold_time) as hold:
            self._polls[request.worker_id] = hold
            try:
                while self._is_waiting(request, hold):
                    await hold.wait()
            finally:
                if self._polls.get(request.worker_id) is hold:
                    del self._polls[request.worker_id]

    def _is_waiting(self, request: pb.ReconcileRequest, hold: Hold) -> bool:
        worker = self._core.state.find(Worker, request.worker_id)
        return (
            worker is not None
            and worker.incarnation == request.incarnation
            and worker.revision <= request.known_revision
            and self._polls.get(request.worker_id) is hold
            and not hold.over
        )

    def _check_cluster(self, cluster: str) -> None:
        """A worker of another cluster has come to this address, which may have been its controller's."""
        if cluster and cluster != self._core.name:
            why = f"this is the controller of cluster {self._core.name!r}, and not of {cluster!r}"
            raise Refused("unavailable", why)

    def _answer(self, request: pb.ReconcileRequest, revision: int) -> pb.ReconcileReply:
        """Says who answers whom."""
        return pb.ReconcileReply(
            revision=revision,
            cluster=self._core.name,
            worker_id=request.worker_id,
            incarnation=request.incarnation,
            worker_grace=self._core.loop.rules.grace,
            absence=self._absence,
        )

    def _desire(self, request: pb.ReconcileRequest) -> pb.ReconcileReply:
        """Everything that the worker should have; how to run only what it did not name."""
        state = self._core.state
        worker = state.find(Worker, request.worker_id)
        if worker is None or worker.incarnation != request.incarnation:
            raise Refused("aborted", f"worker {request.worker_id} runs in a newer process, or has left")
        reply = self._answer(request, worker.revision)
        named = {one.uid for one in request.attempts}
        for uid in state.walk(Index.HELD, worker.id):
            attempt = state.get(Attempt, uid)
            if not attempt.desired:
                continue
            desired = reply.attempts.add(uid=uid)
            if uid not in named:
                task = state.get(Task, attempt.task)
                desired.run.CopyFrom(run_spec(state.get(Job, task.job), task))
        return reply


def _check_identity(request: pb.ReconcileRequest) -> None:
    """An identity is never made up: two workers would share it."""
    for name in ("worker_id", "incarnation"):
        value = getattr(request, name)
        if not value:
            raise Refused("invalid_argument", f"a worker must send its {name}")
        if " " in value or not value.isprintable():
            raise Refused("invalid_argument", f"{name} {value!r} is not allowed: one printable word")


def _content(request: pb.ReconcileRequest) -> bytes:
    """Equal for requests that say the same, at whatever time and on whichever way."""
    sequence, hold_ms, report_only = request.sequence, request.hold_ms, request.report_only
    request.sequence, request.hold_ms, request.report_only = 0, 0, False
    encoded = request.SerializeToString(deterministic=True)
    request.sequence, request.hold_ms, request.report_only = sequence, hold_ms, report_only
    return hashlib.blake2b(encoded, digest_size=16).digest()


def _report(request: pb.ReconcileRequest) -> Report:
    """Raises InvalidSpec."""
    return Report(
        worker=request.worker_id,
        incarnation=request.incarnation,
        sequence=request.sequence,
        **_description(request.worker.SerializeToString()),
        attempts={one.uid: _observed(one) for one in request.attempts},
        known_revision=request.known_revision,
        leaving=request.leaving,
    )


@functools.lru_cache(maxsize=_REMEMBERED)
def _description(encoded: bytes) -> Mapping[str, Any]:
    """What a worker says of itself, which is the same each time."""
    worker = pb.WorkerDescription.FromString(encoded)
    return {
        "pool": worker.pool,
        "slice": worker.slice,
        "resources": resources_from_proto(worker.resources),
        "attributes": dict(worker.attributes),
        "advertise_host": worker.advertise_host,
        "version": worker.version,
    }


def _observed(message: pb.ObservedAttempt) -> Observed:
    if message.state != _EXITED:
        return Observed(state=member(TaskState, message.state, "observed state"), started=message.started)
    known = message.HasField("exit")
    return Observed(
        state=TaskState.RUNNING,
        exit=exit_from_proto(message.exit) if known else Exit(kind=ExitKind.UNKNOWN),
        stopped=message.stopped,
        last_lines=tuple(message.last_lines),
        started=message.started,
    )
