"""The promises as checks, made at every commit and every second of virtual time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from iris_api.jobs import JobState
from iris_controller.rows import LIVE, Attempt, Endpoint, Job, Row, Task, Worker
from iris_controller.state import Changes

if TYPE_CHECKING:
    from iris.sim.sandboxes import SimSandbox
    from iris.sim.world import World

__all__ = ["Broken", "Checks"]

PROMPT: Final = 5.0  # seconds that the promises give
Key = tuple[type[Row], str]


class Broken(Exception):
    """A promise was broken: `check` is its name."""

    def __init__(self, check: str, what: str) -> None:
        super().__init__(f"{check}: {what}")
        self.check = check


class Checks:
    """Knows what is durable (`rows`), what clients were told, and what runs. The first thing that is wrong
    ends the simulation."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rows: dict[Key, Row] = {}
        self.broken: Broken | None = None
        self.condemned: dict[str, float] = {}  # uid -> when it was decided that the attempt ends
        self.acks: dict[str, str] = {}  # job -> the attempt that submitted it, or ""
        self.ended_logs: dict[str, int] = {}

    def fail(self, check: str, what: str) -> None:
        if self.broken is None:
            self.broken = Broken(check, f"{what} (at {self.world.kernel.now:.3f} s)")
            self.world.kernel.trace("BROKEN", self.broken)
            self.world.kernel.stopped = True

    # what is durable

    def committed(self, changes: Changes) -> None:
        kernel = self.world.kernel
        for row in changes.deleted:
            self.rows.pop((type(row), row.key), None)
        for row in changes.rows:
            key = (type(row), row.key)
            before = self.rows.get(key)
            self.rows[key] = row
            self._changed(before, row)
            kernel.trace("row", type(row).__name__, row.key, getattr(row, "state", ""))
        for row in changes.rows:
            self._consistent(row)

    def _changed(self, before: Row | None, row: Row) -> None:
        if isinstance(row, Attempt):
            if (row.state.ended or row.kill is not None) and row.uid not in self.condemned:
                self.condemned[row.uid] = self.world.kernel.now
            if row.state.ended and not (isinstance(before, Attempt) and before.state.ended):
                self._attempt_ended(row)
        if isinstance(row, Job) and isinstance(before, Job) and before.order == row.order:
            self._stays_ended("job", before, row)
        elif isinstance(row, Task) and isinstance(before, Task) and before.order == row.order:
            self._stays_ended("task", before, row)
        elif isinstance(row, Attempt) and isinstance(before, Attempt):
            self._stays_ended("attempt", before, row)

    def _stays_ended(self, kind: str, before: Job | Task | Attempt, row: Job | Task | Attempt) -> None:
        if before.state.ended and before != row:
            self.fail("one end", f"{kind} {row.key} had ended as {before.state} and is changed to {row}")

    def _attempt_ended(self, attempt: Attempt) -> None:
        """Its place is given back: then its sandbox is gone, or its worker is lost."""
        box = self._sandbox(attempt.uid)
        worker = self._find(Worker, attempt.worker)
        given_up = worker is None or worker.lost
        if box is not None and box.running and not given_up:
            self.fail("capacity", f"attempt {attempt.uid} has ended ({attempt.cause}), its sandbox runs")

    def _consistent(self, row: Row) -> None:
        if isinstance(row, Task):
            live = [uid for uid in row.attempts if self._is_live(uid)]
            if len(live) > 1 or (row.state in LIVE) != bool(live):
                self.fail("one live attempt", f"task {row.id} is {row.state} and has {live}")
        elif isinstance(row, Endpoint):
            if row.attempt and not self._is_live(row.attempt):
                self.fail("displaced endpoint", f"{row.name} of {row.attempt}, which is not alive")
        elif isinstance(row, Job):
            parent = self._find(Job, row.id.parent or "")
            if row.going_on and parent is not None and parent.state.ended:
                self.fail("descendants end", f"{row.id} goes on though its parent is {parent.state}")
        elif isinstance(row, Attempt):
            self._fits(row.worker)

    def _fits(self, worker_id: str) -> None:
        worker = self._find(Worker, worker_id)
        if worker is None:
            return
        held = [row for row in self._all(Attempt) if row.worker == worker_id and not row.state.ended]
        used = sum(row.resources.cpu for row in held if not row.after)
        if used > worker.resources.cpu + 1e-6:
            self.fail("capacity", f"{worker_id} holds {used:g} of {worker.resources.cpu:g} cores")

    # what clients were told

    def acknowledged(self, job_id: str, by_attempt: str = "") -> None:
        """A client was told that this job is accepted."""
        self.acks[job_id] = by_attempt
        self.world.kernel.trace("acknowledged", job_id)
        if (Job, job_id) not in self.rows and not by_attempt:
            self.fail("acknowledged is kept", f"job {job_id} was acknowledged and is not stored")

    def told(self, job_id: str, state: JobState) -> None:
        """A client was told how a job stands: an end that it was told of is stored."""
        job = self._find(Job, job_id)
        if state.ended and (job is None or job.state is not state):
            self.fail("one end", f"a client was told that {job_id} is {state}; stored is {job and job.state}")

    def terminated(self, job_id: str) -> None:
        """A client was told that a job is ended, or will be."""
        job = self._find(Job, job_id)
        if job is None or job.going_on:
            self.fail("acknowledged is kept", f"{job_id} goes on though its end was acknowledged")

    # what runs

    def sandbox_started(self, sandbox: SimSandbox) -> None:
        attempt = self._find(Attempt, sandbox.uid)
        if attempt is None:
            self.fail("durable first", f"sandbox {sandbox.uid} runs, and no such attempt is stored")

    def every_second(self) -> None:
        if self.world.kernel.errors:
            self.fail("no crash", self.world.kernel.errors[0])

    # the end

    def settled(self) -> bool:
        """Nothing is left to do but for jobs that wait with a reason."""
        return (
            all(user.done or not user.process.alive for user in self.world.users)
            and all(job.state.ended for job in self._all(Job))
            and not any(box.running for box in self.world.sandboxes())
        )

    def finish(self) -> None:
        """All faults are healed, and everything had its time."""
        self.every_second()
        for job_id, by_attempt in self.acks.items():
            if not by_attempt and (Job, job_id) not in self.rows:
                self.fail("acknowledged is kept", f"job {job_id} is gone")
        for job in self._all(Job):
            if not job.state.ended:
                self.fail("settles", f"job {job.id} is still {job.state}")
        for box in self.world.sandboxes():
            if box.running:
                self.fail("nothing is left", f"sandbox {box.uid} runs on {box.machine.host.name}")
        self._memory_is_disk()

    def _memory_is_disk(self) -> None:
        controller = self.world.controller
        loop = controller._loop if controller is not None else None
        if loop is None:
            self.fail("settles", "there is no controller")
            return
        stored = {(type(row), row.key): row for row in loop._store.load()}
        memory = {(type(row), row.key): row for row in loop.state.everything()}
        for key in dict.fromkeys((*stored, *memory)):
            if stored.get(key) != memory.get(key):
                self.fail("memory is disk", f"stored {stored.get(key)}, in memory {memory.get(key)}")

    # looking

    def _all(self, kind: type) -> Iterable:  # type: ignore[type-arg]
        return [row for (one, _), row in self.rows.items() if one is kind]

    def _find(self, kind: type, key: str):  # type: ignore[no-untyped-def]
        return self.rows.get((kind, key))

    def _is_live(self, uid: str) -> bool:
        attempt = self._find(Attempt, uid)
        return attempt is not None and not attempt.state.ended

    def _sandbox(self, uid: str) -> SimSandbox | None:
        for machine in self.world.machines.values():
            if uid in machine.sandboxes:
                return machine.sandboxes[uid]
        return None
