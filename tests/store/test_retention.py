"""What has ended is forgotten in time and in bites; logs and bundles go with it, and never too early."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Any

import pytest

from iris_api.errors import Refused
from iris_api.jobs import JobState
from iris_api.rpc import cluster_pb2 as pb
from iris_api.testing import wait_for_condition
from iris_controller import pruner
from iris_controller.bundles import BundleStore
from iris_controller.clock import Now
from iris_controller.controller import Retention
from iris_controller.retention import (
    bundles_in_use,
    forget,
    forget_tasks,
    logs_to_remove,
    orphaned,
    overdue,
)
from iris_controller.rows import Attempt, Job, Task
from iris_controller.state import Draft, State
from tests.controller.client import Agent, Client
from tests.controller.conftest import Start
from tests.controller.kit import OK, Cluster
from tests.store.conftest import OpenStore

DAY = 86_400.0


@pytest.fixture
def cluster() -> Cluster:
    cluster = Cluster()
    cluster.join()
    return cluster


def ended(cluster: Cluster, count: int, **given: Any) -> list[Any]:
    ids = []
    for number in range(count):
        ids.append(cluster.submit(f"job{number}", **given))
        cluster.terminate(ids[-1])
        cluster.settle()
    return ids


def run_forget(cluster: Cluster, retention: Retention, rows: int = 10**6) -> Any:
    return cluster.run(lambda draft, now: forget(draft, overdue(draft, retention, now.wall), rows))


def left(cluster: Cluster) -> list[Any]:
    return [job.id for job in cluster.state.rows(Job)]


def test_the_roots_that_ended_first_are_forgotten(cluster: Cluster) -> None:
    ids = ended(cluster, 5)
    assert run_forget(cluster, Retention(least=0.0, ended=2)) == []
    assert left(cluster) == ids[3:]
    assert {task.job for task in cluster.state.rows(Task)} == set(ids[3:])


def test_roots_are_forgotten_when_they_have_too_many_tasks(cluster: Cluster) -> None:
    ids = ended(cluster, 4, replicas=10)
    cluster.submit("goes-on", replicas=30)
    for bound, gone in ((40, 0), (39, 1), (30, 1), (29, 2), (0, 4)):
        chosen = overdue(Draft(cluster.state), Retention(least=0.0, tasks=bound), cluster.clock.wall())
        assert chosen == ids[:gone]


def test_a_root_that_has_just_ended_is_not_forgotten(cluster: Cluster) -> None:
    """However many there are: who waits for it may be about to ask."""
    ids = ended(cluster, 3)
    run_forget(cluster, Retention(ended=0, least=60.0))
    assert left(cluster) == ids
    cluster.clock.advance(60)
    run_forget(cluster, Retention(ended=0, least=60.0))
    assert left(cluster) == []


def test_a_root_is_forgotten_when_it_is_too_old(cluster: Cluster) -> None:
    old = ended(cluster, 2)
    cluster.clock.advance(DAY)
    new = ended(cluster, 1)
    run_forget(cluster, Retention(least=0.0, age=DAY + 1))
    assert left(cluster) == old + new
    run_forget(cluster, Retention(least=0.0, age=DAY))
    assert left(cluster) == new


def test_what_has_not_ended_is_never_forgotten(cluster: Cluster) -> None:
    going_on = cluster.submit("goes-on")
    cluster.settle()
    ended(cluster, 1)
    cluster.clock.advance(10 * DAY)
    run_forget(cluster, Retention(least=0.0, ended=0, age=0))
    assert left(cluster) == [going_on]


def test_a_root_stays_while_something_below_it_runs(cluster: Cluster) -> None:
    parent = cluster.submit("parent")
    cluster.settle()
    child = cluster.child(f"{parent}:0")
    cluster.settle()
    cluster.end(f"{parent}:0", OK)
    assert (cluster.job(parent).state.ended, cluster.job(child).state.ended) == (True, False)
    run_forget(cluster, Retention(least=0.0, ended=0))
    assert left(cluster) == [parent, child]
    cluster.settle()
    run_forget(cluster, Retention(least=0.0, ended=0))
    assert left(cluster) == []
    assert list(cluster.state.rows(Attempt)) == []


def test_a_bite_is_no_larger_than_it_may_be(cluster: Cluster) -> None:
    ended(cluster, 10)
    bites = 0
    while left(cluster):
        before = sum(1 for _ in cluster.state.everything())
        run_forget(cluster, Retention(least=0.0, ended=0), rows=6)
        assert before - sum(1 for _ in cluster.state.everything()) <= 6 + 2  # the last one to its end
        bites += 1
    assert bites == 5


def test_a_large_job_is_out_of_sight_at_once_and_gone_in_bites(cluster: Cluster) -> None:
    (large,) = ended(cluster, 1, replicas=50)
    remains = run_forget(cluster, Retention(least=0.0, ended=0), rows=10)
    assert (left(cluster), remains) == ([], [large])
    assert orphaned(Draft(cluster.state)) == [large]
    bites = 0
    while remains:
        before, bites = remains, bites + 1
        remains = cluster.run(lambda draft, now: forget_tasks(draft, before, 10))  # noqa: B023 - run at once
    assert not list(cluster.state.rows(Task))
    assert not list(cluster.state.rows(Attempt))
    assert bites >= 5


def test_a_deletion_that_was_cut_off_is_finished_at_the_next_start(
    open_one: OpenStore, cluster: Cluster
) -> None:
    ended(cluster, 1, replicas=50)
    kept = cluster.submit("kept")
    run_forget(cluster, Retention(least=0.0, ended=0), rows=10)
    store = open_one()
    for changes in cluster.changes:
        store.commit(changes)
    store.close()
    again = open_one()
    rows = again.load()
    assert {row.job for row in rows if isinstance(row, Task)} == {kept}
    assert {row.job for row in rows if isinstance(row, Attempt)} <= {kept}
    again.close()
    assert list(open_one().load()) == list(rows)


def test_ended_roots_keep_the_order_of_their_end_through_a_restart(cluster: Cluster) -> None:
    slow = cluster.submit("slow")
    cluster.settle()
    cluster.clock.advance(1)
    (fast,) = ended(cluster, 1)
    cluster.clock.advance(1)
    cluster.terminate(slow)
    cluster.settle()
    draft = Draft(State(cluster.state.everything()))
    assert overdue(draft, Retention(least=0.0, ended=1), cluster.clock.wall()) == [fast]
    assert draft.find(Job, slow) is not None


def test_logs_of_those_that_ended_first_go_until_there_is_room() -> None:
    sizes = {"runs": 50, "a": 30, "b": 0, "c": 30, "d": 30}
    assert logs_to_remove(sizes, ["a", "b", "c", "d"], 140) == []
    assert logs_to_remove(sizes, ["a", "b", "c", "d"], 139) == ["a"]
    assert logs_to_remove(sizes, ["a", "b", "c", "d"], 110) == ["a", "c"]
    assert logs_to_remove(sizes, ["a", "b", "c", "d"], 10) == ["a", "c", "d"]


def test_bundles_of_unfinished_jobs_are_in_use(cluster: Cluster) -> None:
    cluster.submit("a", bundle="1" * 64)
    ended(cluster, 1, bundle="2" * 64)
    assert bundles_in_use(Draft(cluster.state)) == {"1" * 64}


def test_a_bundle_that_is_asked_for_counts_as_used(tmp_path: Path) -> None:
    store, name = BundleStore(tmp_path), "a" * 64
    for use in (store.has, lambda name: store.open(name).close()):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (1.0, 1.0))
        assert store.unused(1000.0) == [name]
        use(name)
        assert store.unused(1000.0) == []
        store.remove(name, 1000.0)  # the pruner had chosen it before it was used
        assert store.has(name)
    os.utime(tmp_path / name, (1.0, 1.0))
    store.remove(name, 1000.0)
    assert not store.has(name)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pruner that looks all the time."""
    monkeypatch.setattr(pruner.Pruner.__init__, "__kwdefaults__", {"look": 0.01, "slow": 0.0})


def finish(agent: Agent, name: str, *lines: str) -> str:
    """Submit a job, have it say something and end."""
    client = agent._client
    job = client.submit(name)
    (uid,) = agent.pull()
    agent.log(uid, *lines)
    agent.end(uid)
    assert client.job(job).state == "SUCCEEDED"
    return job


def logs_of(client: Client, job: str) -> list[str]:
    reply = client.call("Controller/FetchLogs", pb.FetchLogsRequest(task_id=f"{job}:0"))
    assert reply.ended
    return [entry.data for entry in reply.entries]


@pytest.mark.usefixtures("hasty")
def test_a_controller_forgets_jobs_with_their_logs(start: Start, tmp_path: Path) -> None:
    client = start(tmp_path, retention=Retention(least=0.0, ended=1))
    agent = Agent(client)
    first = finish(agent, "first", "hello")
    assert logs_of(client, first) == ["hello"]
    second = finish(agent, "second", "world")
    wait_for_condition(lambda: [path.name for path in (tmp_path / "logs").iterdir()] == [second])
    with pytest.raises(Refused, match=f"there is no job '{first}'"):
        client.job(first)
    assert logs_of(client, second) == ["world"]


def test_logs_of_jobs_that_nobody_knows_are_removed_at_the_start(start: Start, tmp_path: Path) -> None:
    client = start(tmp_path)
    agent = Agent(client)
    known = finish(agent, "known", "hello")
    client.stop()
    stray = tmp_path / "logs" / "forgotten-12345678" / ":0" / "u.log"
    stray.parent.mkdir(parents=True)
    stray.write_text("1 stdout left\n")
    client = start(tmp_path)
    wait_for_condition(lambda: [path.name for path in (tmp_path / "logs").iterdir()] == [known])
    assert logs_of(client, known) == ["hello"]


@pytest.mark.usefixtures("hasty")
def test_logs_over_their_limit_are_removed_and_who_reads_is_told(start: Start, tmp_path: Path) -> None:
    client = start(tmp_path, retention=Retention(least=0.0, log_bytes=3000))
    agent = Agent(client)
    first = finish(agent, "first", "x" * 2000)
    second = finish(agent, "second", "y" * 2000)
    told = ["[iris: this output was removed: all logs together were over their limit]"]
    wait_for_condition(lambda: logs_of(client, first) == told)
    assert logs_of(client, second) == ["y" * 2000]
    assert client.job(first).state == "SUCCEEDED"


@pytest.mark.usefixtures("hasty")
def test_bundles_that_nobody_needs_are_removed(start: Start, tmp_path: Path) -> None:
    client = start(tmp_path, retention=Retention(least=0.0, bundles=1000.0))
    digests = {}
    for name in ("used", "fresh", "old"):
        digests[name] = hashlib.sha256(name.encode()).hexdigest()
        assert client.http("PUT", f"/bundles/{digests[name]}", name)[0] == 200
    client.submit(spec={"environment": pb.Environment(bundle=digests["used"])})
    for name in ("used", "old"):
        os.utime(tmp_path / "bundles" / digests[name], (1.0, 1.0))
    there = {digests["used"], digests["fresh"]}
    wait_for_condition(lambda: {path.name for path in (tmp_path / "bundles").iterdir()} == there)
    assert client.http("HEAD", f"/bundles/{digests['old']}")[0] == 404


@pytest.mark.usefixtures("hasty")
def test_a_clock_that_is_set_ahead_makes_nothing_old(start: Start, tmp_path: Path) -> None:
    ahead = [0.0]

    def clock() -> Now:
        return Now(time.monotonic(), time.time() + ahead[0])

    client = start(tmp_path, clock=clock, retention=Retention(least=0.0, ended=2, age=1000.0))
    agent = Agent(client)
    first, second = finish(agent, "first"), finish(agent, "second")
    ahead[0] = 365 * DAY
    third = finish(agent, "third")
    wait_for_condition(lambda: not exists(client, first))  # one too many: the pruner has looked
    assert [exists(client, job) for job in (second, third)] == [True, True]


def exists(client: Client, job: str) -> bool:
    try:
        client.job(job)
    except Refused:
        return False
    return True


def test_a_job_that_ends_is_remembered_by_default(start: Start) -> None:
    client = start()
    agent = Agent(client)
    job = finish(agent, "job", "hello")
    assert client.job(job).state == JobState.SUCCEEDED
