"""How much is done for what: commits, turns, rows and answers are counted, so that nothing grows unseen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from iris_api.rpc import cluster_pb2 as pb
from iris_api.testing import VirtualClock, wait_for_condition
from iris_api.threads import ThreadRegistry
from iris_controller.clock import Now
from iris_controller.loop import ControlLoop
from iris_controller.reasons import Reasons
from iris_controller.rows import Endpoint, Job, Task, Worker
from iris_controller.state import Changes, Draft, State
from iris_controller.status import job_status
from iris_controller.store import MemoryStore
from iris_controller.transitions.workers import observe
from iris_controller.view import R
from tests.controller.client import Agent, Client
from tests.controller.conftest import RULES, Start
from tests.controller.kit import Cluster, FakeWorker

ROWS = 1000  # far more than a turn writes


class Counting(MemoryStore):
    """A real store that also tells how much each commit was."""

    def __init__(self) -> None:
        self.commits: list[int] = []

    def commit(self, changes: Changes) -> None:
        self.commits.append(len(changes.rows))


class Counted(State):
    """Counts the rows that are looked at."""

    looks = 0

    def find(self, kind: type[R], key: str) -> R | None:
        Counted.looks += 1
        return cast("R | None", self._rows[kind].get(key))


def puts(name: str, rows: int = 1) -> Callable[[Draft, Now], str]:
    def command(draft: Draft, _now: Now) -> str:
        for number in range(rows):
            draft.put(Endpoint(uid=f"{name}-{number}", name="/x", address="http://h:1"))
        return name

    return command


@pytest.fixture
def store() -> Counting:
    return Counting()


@pytest.fixture
def loop(store: Counting, thread_registry: ThreadRegistry) -> ControlLoop:
    executor = thread_registry.container.spawn_executor(1, "store")
    return ControlLoop(State(), store, rules=RULES, executor=executor, merged=lambda changes: None)


def on_loop(loop: ControlLoop, *commands: Any) -> list[str]:
    """Give all commands at once; the order in which they were answered."""
    answered: list[str] = []

    async def main() -> None:
        tasks = [asyncio.ensure_future(command) for command in commands]
        for task in tasks:
            task.add_done_callback(lambda done: answered.append(done.result()))
        await asyncio.sleep(0)
        loop.start()
        await asyncio.gather(*tasks)
        await loop.close()

    asyncio.run(main())
    return answered


def test_what_waits_shares_commits(loop: ControlLoop, store: Counting) -> None:
    on_loop(loop, *(loop.run(puts(str(number))) for number in range(1000)))
    assert sum(store.commits) == 1000
    assert len(store.commits) <= 5


def test_no_turn_takes_more_than_its_share(loop: ControlLoop, store: Counting) -> None:
    calls = [loop.run(puts(f"call-{number}", 10)) for number in range(200)]
    reports = [loop.run(puts(f"report-{number}", 10), report=1) for number in range(200)]
    on_loop(loop, *calls, *reports)
    assert sum(store.commits) == 4000
    assert max(store.commits) < ROWS


def test_a_call_does_not_wait_for_reports_that_came_before(loop: ControlLoop) -> None:
    reports = [loop.run(puts(f"report-{number}", 100), report=1) for number in range(50)]
    answered = on_loop(loop, *reports, loop.run(puts("call")))
    assert answered.index("call") < 10


def test_reports_do_not_wait_for_calls_that_came_before(loop: ControlLoop) -> None:
    calls = [loop.run(puts(f"call-{number}", 100)) for number in range(50)]
    answered = on_loop(loop, *calls, loop.run(puts("report"), report=1))
    assert answered.index("report") < 10


def test_a_worker_that_came_in_a_turn_without_placing_is_found() -> None:
    cluster = Cluster()
    draft = Draft(cluster.state)
    observe(draft, FakeWorker("w-1").report(), cluster.now())
    cluster.state.merge(draft)
    assert cluster.attempt(f"{cluster.submit()}:0").worker == "w-1"


def test_a_worker_with_nothing_new_costs_no_commit(start: Start) -> None:
    store = Counting()
    agent = Agent(start(store=store))
    agent.pull(hold_ms=0)
    before = len(store.commits)
    for _ in range(20):
        agent.reconcile(hold_ms=0)
    assert len(store.commits) == before


def test_a_change_answers_only_the_worker_that_it_concerns(
    client: Client, thread_registry: ThreadRegistry
) -> None:
    agents = [Agent(client, f"w-{number}") for number in range(8)]
    answered: list[str] = []

    def poll(agent: Agent) -> None:
        agent.reconcile(hold_ms=8_000)
        answered.append(agent.worker_id)

    for agent in agents:
        agent.pull(hold_ms=0)
        thread_registry.container.spawn(lambda _stop, agent=agent: poll(agent), agent.worker_id)  # type: ignore[misc]
    wait_for_condition(lambda: len(client.controller._polls.holds("worker")) == len(agents))
    job = client.submit()
    wait_for_condition(lambda: bool(answered))
    (task,) = client.job(job).tasks
    assert answered == [task.attempts[0].worker_id]


def test_a_look_at_a_job_does_not_walk_its_tasks() -> None:
    looks = []
    for replicas in (10, 1000):
        cluster = Cluster()
        cluster.join()
        job = cluster.submit(replicas=replicas)
        state = Counted(cluster.state.everything())
        Counted.looks = 0
        job_status(state, state.get(Job, job), Reasons(state, cluster.rules, cluster.now()))
        looks.append(Counted.looks)
    assert looks[0] == looks[1]


def test_one_change_looks_at_as_much_however_much_waits() -> None:
    """A task ends and another gets its place: not more rows are looked at where a hundred times as many
    tasks wait."""
    looks = []
    for waiting in (10, 1000):
        cluster = Cluster()
        cluster.join()
        first = cluster.submit(replicas=8)
        cluster.submit("waits", replicas=waiting)
        cluster.state = Counted(cluster.state.everything())
        cluster.run()
        Counted.looks = 0
        cluster.end(f"{first}:0")
        looks.append(Counted.looks)
        assert cluster.state.size(Task) == 8 + waiting
    assert looks[1] <= looks[0] + 5


def test_a_thousand_workers_cost_a_change_nothing() -> None:
    looks = []
    for workers in (4, 400):
        cluster = Cluster()
        for number in range(workers):
            cluster.join(f"w-{number}")
        first = cluster.submit(replicas=4)
        cluster.state = Counted(cluster.state.everything())
        cluster.run()
        Counted.looks = 0
        cluster.end(f"{first}:0")
        looks.append(Counted.looks)
        assert cluster.state.size(Worker) == workers
    assert looks[1] <= looks[0] + 5


def test_what_a_worker_says_again_is_not_looked_at_again(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = Agent(client, cpu=100)
    client.submit(spec={"replicas": 100})
    wait_for_condition(lambda: len(agent.pull()) == 100)
    agent.reconcile(report_only=True)
    monkeypatch.setattr(State, "find", Counted.find)
    Counted.looks = 0
    agent.reconcile(report_only=True)
    assert 0 < Counted.looks < 20


def test_what_came_too_late_is_not_taken_for_what_was_said_last(client: Client) -> None:
    agent = Agent(client)
    job = client.submit()
    agent.pull()
    held = list(agent.has.values())
    agent.reconcile(sequence=10, report_only=True)
    agent.reconcile(sequence=9, report_only=True, attempts=[])
    assert client.job(job).state == "RUNNING"
    agent.reconcile(sequence=11, report_only=True, attempts=[])
    (task,) = client.job(job).tasks
    assert [one.uid for one in task.attempts] == [held[0].uid]
    assert "does not have it any more" in task.attempts[0].cause.message


def test_a_worker_that_was_given_up_and_says_the_same_is_heard(start: Start) -> None:
    clock = VirtualClock()
    client = start(clock=lambda: Now(clock.now(), clock.wall()))
    agent = Agent(client)
    agent.pull(hold_ms=0)
    agent.reconcile(report_only=True)

    def states() -> list[str]:
        listed = client.call("Controller/ListWorkers", pb.ListWorkersRequest()).workers
        return [worker.state for worker in listed]

    for _ in range(10):  # in steps, as one leap would be this process's own sleep
        clock.advance(4)
        Agent(client, "other").reconcile(report_only=True)
    assert "lost" in states()
    agent.reconcile(report_only=True)
    assert "lost" not in states()
