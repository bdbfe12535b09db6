"""Any order of submits, reports, ends, silences and cancels keeps what must hold."""

from __future__ import annotations

import contextlib

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from iris_api.errors import Refused
from iris_api.jobs import CoschedulingConfig, JobState, TaskState
from iris_api.platform import Exit, ExitKind
from iris_api.resources import ResourceSpec
from iris_controller.room import Room
from iris_controller.rows import Attempt, Job, Task, Worker
from iris_controller.rules import Quota, Rules
from iris_controller.state import Index, State
from tests.controller.kit import FAILED, OK, SIGKILL, Cluster, FakeWorker

EXITS = st.sampled_from([OK, FAILED, SIGKILL, Exit(kind=ExitKind.RAISED, message="E")])
NAMES = st.sampled_from(["a", "b", "c"])
WORKERS = st.sampled_from(["w-1", "w-2"])
EXISTING = st.sampled_from(["error", "keep", "recreate"])


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.cluster = Cluster()
        quotas = {"bob": Quota(running=2, pending=4)}
        self.cluster.rules = Rules(pools=self.cluster.rules.pools, quotas=quotas)
        self.ended: dict[str, Attempt] = {}
        self.ended_jobs: dict[tuple[str, int], Job] = {}

    @initialize()
    def start(self) -> None:
        self.cluster.join("w-1")

    @rule(
        name=NAMES,
        replicas=st.integers(1, 3),
        cpu=st.sampled_from([0.5, 4.0, 8.0, 8.0, 99.0]),
        retries=st.integers(0, 2),
        limits=st.sampled_from([{}, {"timeout": 3.0}, {"scheduling_timeout": 2.0}, {"max_task_failures": 1}]),
        priority=st.sampled_from([10, 50, 90]),
        gang=st.sampled_from([None, CoschedulingConfig(), CoschedulingConfig("slice")]),
        user=st.sampled_from(["ann", "bob"]),
        existing=EXISTING,
    )
    def submit(
        self,
        name: str,
        replicas: int,
        cpu: float,
        retries: int,
        limits: dict[str, object],
        priority: int,
        gang: CoschedulingConfig | None,
        user: str,
        existing: str,
    ) -> None:
        with contextlib.suppress(Refused):
            self.cluster.submit(
                name,
                replicas=replicas,
                resources=ResourceSpec(cpu),
                max_retries_failure=retries,
                max_retries_preemption=retries,
                priority=priority,
                coscheduling=gang,
                user=user,
                existing=existing,
                **limits,
            )

    def live(self) -> list[str]:
        return [task.id for task in self.cluster.state.rows(Task) if task.live]

    @precondition(lambda self: self.live())
    @rule(data=st.data(), name=NAMES, existing=EXISTING, replicas=st.integers(1, 2))
    def submit_child(self, data: st.DataObject, name: str, existing: str, replicas: int) -> None:
        task = data.draw(st.sampled_from(self.live()))
        with contextlib.suppress(Refused):
            self.cluster.child(task, name, existing=existing, replicas=replicas, resources=ResourceSpec(1))

    @precondition(lambda self: self.live())
    @rule(data=st.data(), exit_=EXITS, stopped=st.booleans())
    def end(self, data: st.DataObject, exit_: Exit, stopped: bool) -> None:
        self.cluster.end(data.draw(st.sampled_from(self.live())), exit_, stopped=stopped)

    @precondition(lambda self: self.live())
    @rule(data=st.data())
    def register(self, data: st.DataObject) -> None:
        task = self.cluster.task(data.draw(st.sampled_from(self.live())))
        self.cluster.register(f"e-{task.live}", "/name", task.live)

    @rule(data=st.data())
    def terminate(self, data: st.DataObject) -> None:
        jobs = [job.id for job in self.cluster.state.rows(Job)]
        if jobs:
            self.cluster.terminate(data.draw(st.sampled_from(jobs)))

    @rule(worker=WORKERS, label=st.uuids())
    def join(self, worker: str, label: object) -> None:
        if worker not in self.cluster.workers:
            attributes = {"slice": "s-1", "slice_index": worker[-1]}
            self.cluster.join(worker, attributes=attributes, incarnation=str(label))

    @rule(worker=WORKERS)
    def pull(self, worker: str) -> None:
        if worker in self.cluster.workers:
            self.cluster.pull(worker)

    @rule(worker=WORKERS, label=st.uuids())
    def restart_worker(self, worker: str, label: object) -> None:
        if worker in self.cluster.workers:
            self.cluster.workers[worker] = FakeWorker(worker, incarnation=str(label))
            self.cluster.report(worker)

    @rule(worker=WORKERS)
    def leave(self, worker: str) -> None:
        if worker in self.cluster.workers:
            self.cluster.report(worker, leaving=True)
            del self.cluster.workers[worker]

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0, 40.0]))
    def wait(self, seconds: float) -> None:
        self.cluster.advance(seconds)

    @invariant()
    def capacity_is_never_exceeded(self) -> None:
        state = self.cluster.state
        for worker in state.rows(Worker):
            held = [state.get(Attempt, uid) for uid in state.walk(Index.HELD, worker.id)]
            told = [one for one in held if not one.after]
            assert sum(one.resources.cpu for one in told) <= worker.resources.cpu
            to_stay = [one for one in held if one.kill is None]
            assert sum(one.resources.cpu for one in to_stay) <= worker.resources.cpu

    @invariant()
    def a_gang_is_whole_or_ending(self) -> None:
        state = self.cluster.state
        for job in state.rows(Job):
            if job.spec.coscheduling and job.going_on:
                tasks = list(state.tasks(job))
                goes_on = [bool(t.live and state.get(Attempt, t.live).kill is None) for t in tasks]
                waits = [t.state is TaskState.PENDING for t in tasks]
                assert not (any(goes_on) and any(waits))

    @invariant()
    def whom_an_attempt_waits_for_is_alive_on_its_worker(self) -> None:
        state = self.cluster.state
        for attempt in state.rows(Attempt):
            for uid in attempt.after:
                assert not state.get(Attempt, uid).state.ended
                assert state.get(Attempt, uid).worker == attempt.worker

    @invariant()
    def quotas_hold(self) -> None:
        assert self.cluster.state.running("bob") <= 2

    @invariant()
    def the_room_is_that_of_the_rows(self) -> None:
        state = self.cluster.state
        state.room.sync(state, ())
        anew = Room.of(state)
        assert {one.worker.id: one.entry for one in state.room.all()} == {
            one.worker.id: one.entry for one in anew.all()
        }

    @invariant()
    def ended_attempts_and_jobs_never_change(self) -> None:
        now_ended = {one.uid: one for one in self.cluster.state.rows(Attempt) if one.state.ended}
        for uid, before in self.ended.items():
            assert now_ended.get(uid, before) == before
        self.ended.update(now_ended)
        for job in self.cluster.state.rows(Job):
            if job.state.ended:
                assert self.ended_jobs.setdefault((job.id, job.order), job) == job

    @invariant()
    def everything_that_ended_says_when_and_why(self) -> None:
        rows: list[Task | Attempt] = [*self.cluster.state.rows(Task), *self.cluster.state.rows(Attempt)]
        for row in rows:
            if row.state.ended:
                assert row.finished is not None
                assert (row.cause is None) == (row.state is TaskState.SUCCEEDED)
        for job in self.cluster.state.rows(Job):
            assert (job.finished is not None) == job.state.ended

    @invariant()
    def at_most_the_last_attempt_is_live(self) -> None:
        state = self.cluster.state
        for task in state.rows(Task):
            states = [state.get(Attempt, uid).state for uid in task.attempts]
            assert all(one.ended for one in states[:-1])
            assert bool(task.live) == bool(states and not states[-1].ended)

    @invariant()
    def a_job_ends_exactly_when_its_tasks_have(self) -> None:
        state = self.cluster.state
        for job in state.rows(Job):
            states = [task.state for task in state.tasks(job)]
            assert job.state.ended == all(one.ended for one in states)
            if job.state is JobState.SUCCEEDED:
                failed = states.count(TaskState.FAILED)
                assert failed <= job.spec.max_task_failures

    @invariant()
    def nothing_new_starts_in_what_ends(self) -> None:
        state = self.cluster.state
        for job in state.rows(Job):
            parent = job.id.parent
            if job.verdict is not None:
                assert all(task.state is not TaskState.PENDING for task in state.tasks(job))
                assert all(state.get(Attempt, t.live).kill for t in state.tasks(job) if t.live)
            if parent is not None and not state.get(Job, parent).going_on:
                assert not job.going_on

    @invariant()
    def every_waiting_task_has_a_reason(self) -> None:
        for task in self.cluster.state.rows(Task):
            withheld = bool(task.live and self.cluster.state.get(Attempt, task.live).after)
            assert bool(self.cluster.reason(task.id)) == (withheld or task.state is TaskState.PENDING)

    @invariant()
    def endpoints_have_live_owners(self) -> None:
        state = self.cluster.state
        for uid in state.walk(Index.NAME, "/name"):
            assert not state.get(Attempt, uid.removeprefix("e-")).state.ended

    @invariant()
    def the_indexes_are_those_of_the_rows(self) -> None:
        state = self.cluster.state
        anew = State(state.everything())
        for index in Index:
            assert {key: sorted(state.walk(index, key)) for key in state.keys(index)} == {
                key: sorted(anew.walk(index, key)) for key in anew.keys(index)
            }

    def teardown(self) -> None:
        """Once all workers are silent and all is cancelled, nothing goes on."""
        self.cluster.rules = Rules(pools=self.cluster.rules.pools)
        self.cluster.advance(31)
        self.cluster.terminate(*[job.id for job in self.cluster.state.rows(Job)])
        assert all(job.state.ended for job in self.cluster.state.rows(Job))


Machine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestMachine = Machine.TestCase
