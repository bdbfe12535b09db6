"""The promises that hold at every commit and every answer, checked where it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from attrs import frozen

from iris_api.jobs import CauseKind, JobState, TaskState
from iris_controller.rows import LIVE, Attempt, Endpoint, Job, Row, Task, Worker
from iris_controller.state import Changes
from iris_controller.view import R

if TYPE_CHECKING:
    from iris.sim.sandboxes import SimSandbox
    from iris.sim.world import World

__all__ = ["Broken", "Checks"]

_OWN: Final = (CauseKind.EXIT, CauseKind.SIGNAL, CauseKind.EXCEPTION)


@frozen
class Broken:
    """A promise that was not kept: the `check` that saw it, and what it saw."""

    check: str
    what: str

    def __str__(self) -> str:
        return f"{self.check}: {self.what}"


class Checks:
    """Knows what is durable (`rows`) and what clients were told. The first thing that is wrong ends the
    simulation. `condemned`: when it was decided that an attempt ends; `ended`: when a job had."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.broken: Broken | None = None
        self.condemned: dict[str, float] = {}
        self.ended: dict[str, float] = {}
        self.acknowledgements: dict[str, str] = {}  # job -> the attempt that submitted it, or ""
        self._rows: dict[type[Row], dict[str, Row]] = {
            kind: {} for kind in (Job, Task, Attempt, Worker, Endpoint)
        }
        self._incarnations: dict[str, dict[str, None]] = {}
        self._ever: dict[str, int] = {}  # job -> its order
        self._roots: dict[str, str] = {}  # name -> job
        self._worker_of: dict[str, str] = {}  # of each attempt that was ever stored

    def fail(self, check: str, what: str) -> None:
        if self.broken is None:
            self.broken = Broken(check, f"{what} (at {self.world.kernel.now:.3f} s)")
            self.world.kernel.trace("BROKEN", self.broken)
            self.world.kernel.stopped = True

    def all(self, kind: type[R]) -> list[R]:
        return cast("list[R]", list(self._rows[kind].values()))

    def find(self, kind: type[R], key: str) -> R | None:
        return cast("R | None", self._rows[kind].get(key))

    def is_live(self, uid: str) -> bool:
        attempt = self.find(Attempt, uid)
        return attempt is not None and not attempt.state.ended

    def committed(self, changes: Changes) -> None:
        """All of this has become durable at once."""
        for row in changes.deleted:
            self._rows[type(row)].pop(row.key, None)
        before = {(type(row), row.key): self._rows[type(row)].get(row.key) for row in changes.rows}
        for row in changes.rows:
            self._rows[type(row)][row.key] = row
            self.world.kernel.trace("row", type(row).__name__, row.key, getattr(row, "state", ""))
        for row in changes.rows:
            self._changed(before[type(row), row.key], row)
        for job in dict.fromkeys(row.job for row in changes.rows if isinstance(row, Task)):
            self._whole_gang(job)

    def acknowledged(self, job_id: str, by_attempt: str = "") -> None:
        """A client was told that this job is accepted."""
        self.acknowledgements[job_id] = by_attempt
        self.world.kernel.trace("acknowledged", job_id)
        if job_id not in self._ever:
            self.fail("acknowledged is kept", f"job {job_id} was acknowledged and is not stored")

    def told(self, job_id: str, state: JobState) -> None:
        """A client was told how a job stands: an end that it was told of is stored."""
        job = self.find(Job, job_id)
        if state.ended and (job is None or job.state is not state):
            self.fail("one end", f"a client was told that {job_id} is {state}; stored is {job and job.state}")

    def terminated(self, job_id: str) -> None:
        """A client was told that a job is ended, or will be."""
        job = self.find(Job, job_id)
        if job is None or job.going_on:
            self.fail("acknowledged is kept", f"{job_id} goes on though its end was acknowledged")

    def sandbox_started(self, sandbox: SimSandbox) -> None:
        """The attempt may be gone by now: a machine that stood still acts on what it was told before."""
        worker, here = self._worker_of.get(sandbox.uid), sandbox.machine.host.name
        if worker is None:
            self.fail("durable first", f"sandbox {sandbox.uid} runs, and no such attempt was ever stored")
        elif worker != here:
            self.fail("fenced", f"sandbox {sandbox.uid} runs on {here}, and was given to {worker}")

    def _changed(self, before: Row | None, row: Row) -> None:
        match row:
            case Job():
                self._job(before if isinstance(before, Job) else None, row)
            case Task():
                self._stays_ended("task", before, row)
                self._one_live(row)
            case Attempt():
                self._worker_of[row.uid] = row.worker
                self._attempt(before if isinstance(before, Attempt) else None, row)
            case Worker():
                self._worker(before if isinstance(before, Worker) else None, row)
            case Endpoint() if row.attempt and not self.is_live(row.attempt):
                self.fail("fenced", f"endpoint {row.name} of {row.attempt}, which is not alive")

    def _job(self, before: Job | None, job: Job) -> None:
        self._stays_ended("job", before, job)
        self._ever[job.id] = job.order
        if job.id.parent is None and self._roots.setdefault(job.spec.name, job.id) != job.id:
            self.fail("one submit, one job", f"{job.id} is {self._roots[job.spec.name]} once more")
        if not job.state.ended:
            self.ended.pop(job.id, None)  # of an earlier job of its name
        else:
            self.ended.setdefault(job.id, self.world.kernel.now)
            if (job.cause is None) != (job.state is JobState.SUCCEEDED):
                self.fail("a reason", f"job {job.id} is {job.state} for {job.cause}")
        parent = self.find(Job, job.id.parent or "")
        if job.going_on and parent is not None and not parent.going_on:
            self.fail("descendants end", f"{job.id} goes on, its parent {parent.id} does not")

    def _stays_ended(self, kind: str, before: Row | None, row: Job | Task | Attempt) -> None:
        if not isinstance(before, Job | Task | Attempt) or not before.state.ended or before == row:
            return
        if isinstance(before, Task) and isinstance(row, Task) and before.demand.gang:
            job = self.find(Job, row.job)
            if before.state is TaskState.SUCCEEDED and job is not None and job.going_on:
                return  # its gang starts again, and it with it
        if isinstance(row, Attempt) or getattr(before, "order", 0) == row.order:
            self.fail("one end", f"{kind} {row.key} had ended as {before.state}, and then {row}")

    def _one_live(self, task: Task) -> None:
        live = [uid for uid in task.attempts if self.is_live(uid)]
        if len(live) > 1 or (task.state in LIVE) != bool(live):
            self.fail("one live attempt", f"task {task.id} is {task.state} and has {live}")

    def _worker(self, before: Worker | None, worker: Worker) -> None:
        """Who was replaced, or has left, does not speak for the worker again."""
        if worker.left:
            return
        known = self._incarnations.setdefault(worker.id, {})
        replaced = worker.incarnation in known and before is not None
        if replaced and before is not None and before.incarnation != worker.incarnation:
            self.fail("fenced", f"{worker.id} is incarnation {worker.incarnation} again")
        known[worker.incarnation] = None

    def _whole_gang(self, job_id: str) -> None:
        """All of a gang have places, in one group, or none has."""
        job = self.find(Job, job_id)
        if job is None or job.spec.coscheduling is None or not job.going_on:
            return
        tasks = [self.find(Task, f"{job_id}:{index}") for index in range(job.spec.replicas)]
        held = [self.find(Attempt, task.live) for task in tasks if task is not None and task.live]
        wanted = [one for one in held if one is not None and one.kill is None]
        waiting = [task for task in tasks if task is not None and task.state is TaskState.PENDING]
        if wanted and waiting:
            self.fail("whole gangs", f"{waiting[0].id} waits while {wanted[0].task} has a place")
        if group := job.spec.coscheduling.group_by:
            workers = [self.find(Worker, one.worker) for one in wanted]
            groups = {worker.attributes.get(group) for worker in workers if worker is not None}
            if len(groups) > 1:
                self.fail("whole gangs", f"{job_id} is spread over {len(groups)} groups of {group!r}")

    def _attempt(self, before: Attempt | None, attempt: Attempt) -> None:
        self._stays_ended("attempt", before, attempt)
        if attempt.state.ended or attempt.kill is not None:
            self.condemned.setdefault(attempt.uid, self.world.kernel.now)
        if attempt.state.ended and not (before is not None and before.state.ended):
            self._attempt_ended(attempt)
        self._fits(attempt.worker)
        for uid in attempt.after:
            victim = self.find(Attempt, uid)
            if victim is not None and not self._falls(victim):
                self.fail("preemption", f"{attempt.uid} waits for {uid}, which was not told to end")

    def _falls(self, victim: Attempt) -> bool:
        """Whether it has ended or was told to, or an attempt with which its job ends."""
        above: Attempt | None = victim
        while above is not None:
            if above.state.ended or above.kill is not None:
                return True
            job = self.find(Job, above.job)
            above = self.find(Attempt, job.parent_attempt) if job is not None else None
        return False

    def _attempt_ended(self, attempt: Attempt) -> None:
        """Its place is given back: then its sandbox is gone, or its worker was given up. And how it ended is
        how its sandbox did."""
        box = self.world.boxes.get(attempt.uid)
        for endpoint in self.all(Endpoint):
            if endpoint.attempt == attempt.uid:
                self.fail("fenced", f"attempt {attempt.uid} has ended and still owns {endpoint.name}")
        worker = self.find(Worker, attempt.worker)
        given_up = worker is None or worker.lost
        if box is not None and box.end is None and not given_up:
            self.fail("capacity", f"attempt {attempt.uid} has ended ({attempt.cause}), its sandbox runs")
        self._has_its_log(attempt, box)
        if attempt.cause is not None and attempt.cause.kind is CauseKind.WORKER_LOST:
            if why := self.world.faults.no_excuse(attempt, box):
                self.fail(
                    "adopted",
                    f"attempt {attempt.uid} of {attempt.task} was given up ({attempt.cause.message}): {why}",
                )
        elif attempt.state is TaskState.SUCCEEDED and (box is None or box.end is None or not box.end.success):
            self.fail("a true cause", f"attempt {attempt.uid} has succeeded, its sandbox: {box and box.end}")
        elif attempt.cause is not None and attempt.cause.kind is CauseKind.EXIT:
            code = box.end.code if box is not None and box.end is not None else None
            if code != attempt.cause.exit_code or not code:
                self.fail("a true cause", f"attempt {attempt.uid}: {attempt.cause}, its sandbox: {code}")

    def _has_its_log(self, attempt: Attempt, box: SimSandbox | None) -> None:
        """An attempt that ended by itself has brought all of its output before its end is taken."""
        own = attempt.cause is None or attempt.cause.kind in _OWN
        if box is None or not own:
            return
        stored = [line.split(" ", 2)[2] for line in self.world.log_lines(attempt.task, attempt.uid)]
        written = [text for _, text, _ in box.lines]
        if stored != written:
            what = f"{attempt.uid} of {attempt.task} wrote {written}, stored is {stored}"
            self.fail("logs are whole", what)

    def _fits(self, worker_id: str) -> None:
        worker = self.find(Worker, worker_id)
        if worker is None:
            return
        held = [row for row in self.all(Attempt) if row.worker == worker_id and not row.state.ended]
        used = sum(row.demand.shape.resources.cpu for row in held if not row.after)
        if used > worker.resources.cpu + 1e-6:
            self.fail("capacity", f"{worker_id} holds {used:g} of {worker.resources.cpu:g} cores")
