"""A cluster without processes: the real rules over a state, virtual time, and workers that a test plays."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from attrs import define, evolve, field

from iris_api.jobs import Entry, ExistingJob, JobSpec, JobState, TaskState
from iris_api.platform import Exit, ExitKind
from iris_api.resources import ResourceSpec
from iris_api.testing import VirtualClock
from iris_controller.clock import Now
from iris_controller.reasons import Reasons
from iris_controller.rows import Attempt, Endpoint, Job, PoolSpec, Task, Worker
from iris_controller.rules import Rules
from iris_controller.state import Changes, Draft, Index, State
from iris_controller.step import Command, apply, expire_due, place_all
from iris_controller.timers import Timers
from iris_controller.transitions import endpoints, jobs
from iris_controller.transitions.submit import Submit, submit
from iris_controller.transitions.workers import Observed, Report, observe

OK = Exit(kind=ExitKind.EXITED, code=0)
FAILED = Exit(kind=ExitKind.EXITED, code=3)
SIGKILL = Exit(kind=ExitKind.SIGNALED, signal=9)
POOL = PoolSpec("default", ResourceSpec(8, "16GB"), 2)


def spec(name: str = "job", **changes: Any) -> JobSpec:
    given: dict[str, Any] = {"name": name, "entry": Entry(argv=("true",))} | changes
    return JobSpec(**given)


@define
class FakeWorker:
    """What a worker process knows; a test decides what its attempts do."""

    id: str
    incarnation: str = "first"
    resources: ResourceSpec = field(factory=lambda: ResourceSpec(8, "16GB"))
    pool: str = "default"
    attributes: Mapping[str, str] = field(factory=dict)
    sequence: int = 0
    known: int = 0
    has: dict[str, Observed] = field(factory=dict)

    def report(self, **changes: Any) -> Report:
        self.sequence += 1
        given: dict[str, Any] = {
            "worker": self.id,
            "incarnation": self.incarnation,
            "sequence": self.sequence,
            "pool": self.pool,
            "resources": self.resources,
            "attributes": self.attributes,
            "attempts": dict(self.has),
            "known_revision": self.known,
        }
        return Report(**given | changes)


class Cluster:
    """Drives the rules as the control loop does."""

    def __init__(self, *pools: PoolSpec, grace: float = 30.0) -> None:
        self.clock = VirtualClock()
        self.state = State()
        self.rules = Rules(pools=pools or (POOL,), grace=grace)
        self.timers = Timers(self.rules.grace)
        self.workers: dict[str, FakeWorker] = {}
        self.changes: list[Changes] = []
        self._ids = itertools.count()

    def now(self) -> Now:
        return Now(self.clock.now(), self.clock.wall())

    def run(self, *commands: Command) -> Any:
        """One turn; returns the value of the last command, or raises its error."""
        now = self.now()
        draft = Draft(self.state)
        due = self.timers.pop(now.mono)
        outcomes = apply(draft, commands, now)
        for outcome in expire_due(draft, due, self.rules, now):
            if outcome.error is not None:
                raise outcome.error
        place_all(draft, self.rules, now, lambda: f"u{next(self._ids)}")
        self._merge(draft)
        for kind, key in due:
            if (row := self.state.find_any(kind, key)) is not None:
                self.timers.arm(row)
        if outcomes and outcomes[-1].error is not None:
            raise outcomes[-1].error
        return outcomes[-1].value if outcomes else None

    def submit(self, name: str = "job", **given: Any) -> Any:
        """Submit; `existing`, `parent` and so on as in Submit, anything else as in JobSpec."""
        about = {
            key: given.pop(key) for key in ("parent", "request_id", "parent_attempt", "user") if key in given
        }
        existing = ExistingJob(given.pop("existing", "error"))
        request = Submit(spec=spec(name, **given), existing=existing, **about)
        return self.run(lambda draft, now: submit(draft, request, self._make_id, now, self.rules))

    def child(self, parent_task: str, name: str = "child", **given: Any) -> Any:
        """Submit from inside the live attempt of a task."""
        task = self.task(parent_task)
        return self.submit(name, parent=task.job, parent_attempt=task.live or task.attempts[-1], **given)

    def join(self, worker_id: str = "w-1", **given: Any) -> FakeWorker:
        worker = self.workers[worker_id] = FakeWorker(worker_id, **given)
        self.report(worker_id)
        self.pull(worker_id)
        return worker

    def report(self, worker_id: str = "w-1", **changes: Any) -> None:
        """The worker tells what it has; what has exited is then forgotten."""
        worker = self.workers[worker_id]
        report = worker.report(**changes)
        self.run(lambda draft, now: observe(draft, report, now))
        worker.has = {uid: seen for uid, seen in worker.has.items() if seen.exit is None}

    def pull(self, worker_id: str = "w-1") -> None:
        """The worker takes over what it should have: new attempts run, undesired ones are stopped."""
        worker = self.workers[worker_id]
        desired = self.desired(worker_id)
        for uid, seen in list(worker.has.items()):
            if uid not in desired and seen.exit is None:
                exit_ = Exit(kind=ExitKind.SIGNALED, signal=15)
                worker.has[uid] = evolve(seen, exit=exit_, stopped=True)
        for uid in desired:
            worker.has.setdefault(uid, Observed(state=TaskState.RUNNING, started=self.clock.wall()))
        row = self.state.find(Worker, worker_id)
        worker.known = row.revision if row is not None else 0
        self.report(worker_id)

    def settle(self, *worker_ids: str) -> None:
        """Let the workers catch up until nothing moves."""
        for _ in range(6):
            for worker_id in worker_ids or tuple(self.workers):
                self.pull(worker_id)

    def desired(self, worker_id: str) -> list[str]:
        held = self.state.ids(Index.HELD, worker_id)
        return [uid for uid in held if self.state.get(Attempt, uid).desired]

    def end(self, task_id: str, exit: Exit = OK, **seen: Any) -> None:
        """The live attempt of a task ends, and its worker reports that."""
        attempt = self.attempt(task_id)
        worker = self.workers[attempt.worker]
        worker.has[attempt.uid] = Observed(state=TaskState.RUNNING, exit=exit, **({"started": 1.0} | seen))
        self.report(worker.id)

    def terminate(self, *job_ids: str, by: str = "me") -> Any:
        return self.run(lambda draft, now: jobs.terminate(draft, job_ids, by, now))

    def register(self, uid: str, name: str, attempt: str = "", lease: float = 0.0) -> None:
        endpoint = Endpoint(uid=uid, name=name, address="http://h:1", attempt=attempt, lease=lease)
        self.run(lambda draft, now: endpoints.register(draft, endpoint, now))

    def addresses(self, name: str) -> list[str]:
        return self.state.ids(Index.NAME, name)

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.run()

    def job(self, job_id: str) -> Job:
        return self.state.get(Job, job_id)

    def task(self, task_id: str) -> Task:
        return self.state.get(Task, task_id)

    def attempt(self, task_id: str) -> Attempt:
        return self.state.get(Attempt, self.task(task_id).attempts[-1])

    def states(self, *job_ids: str) -> list[JobState]:
        return [self.job(job_id).state for job_id in job_ids]

    def reason(self, task_id: str) -> str:
        return Reasons(self.state, self.rules, self.now()).of(self.task(task_id))

    def _make_id(self, name: str) -> str:
        return f"{name}-{next(self._ids)}"

    def _merge(self, draft: Draft) -> None:
        changes = draft.changes()
        self.state.merge(draft)
        self.changes.append(changes)
        for row in changes.touched:
            self.timers.arm(row)
