"""Priorities: who goes first, who is ended for whom, and who gets the place."""

from __future__ import annotations

from typing import Any

import pytest

from iris_api.errors import InvalidSpec
from iris_api.jobs import CauseKind, JobState, TaskState
from iris_api.resources import ResourceSpec
from iris_controller.rows import PoolSpec
from tests.controller.kit import Cluster, spec

WHOLE = ResourceSpec(8)
POOL = PoolSpec("default", ResourceSpec(8, "16GB"), 8)


def cluster_of(count: int = 1) -> Cluster:
    cluster = Cluster(POOL)
    for number in range(count):
        cluster.join(f"w-{number}")
    return cluster


def state(cluster: Cluster, job: str) -> TaskState:
    return cluster.task(f"{job}:0").state


def after(cluster: Cluster, job: str) -> list[str]:
    """The tasks whose end the attempt of a job waits for."""
    return [cluster.state.get(type(cluster.attempt(f"{job}:0")), uid).task for uid in
            cluster.attempt(f"{job}:0").after]  # fmt: skip


def test_the_higher_priority_goes_first() -> None:
    cluster = Cluster(POOL)
    jobs = [cluster.submit(name, priority=priority, resources=WHOLE)
            for name, priority in (("low", 10), ("default", None), ("high", 90))]  # fmt: skip
    cluster.join()
    assert [state(cluster, job) for job in jobs] == [TaskState.PENDING, TaskState.PENDING, TaskState.RUNNING]


@pytest.mark.parametrize("priority", [0, 101, -1, 1.5, True, "high"])
def test_another_priority_is_refused(priority: Any) -> None:
    with pytest.raises(InvalidSpec, match="give a whole number from 1 to 100"):
        spec(priority=priority)


def test_a_child_has_its_parents_priority_or_its_own() -> None:
    cluster = cluster_of()
    parent = cluster.submit("parent", priority=70)
    cluster.settle()
    children = [cluster.child(f"{parent}:0", "a"), cluster.child(f"{parent}:0", "b", priority=20)]
    assert [cluster.job(child).spec.priority for child in children] == [70, 20]
    assert cluster.job(cluster.submit("root")).spec.priority == 50


def test_what_is_less_important_is_ended_for_what_is_more() -> None:
    cluster = cluster_of()
    low = cluster.submit("low", priority=10, resources=WHOLE)
    cluster.settle()
    high = cluster.submit("high", priority=90, resources=WHOLE)
    assert (state(cluster, low), state(cluster, high)) == (TaskState.RUNNING, TaskState.ASSIGNED)
    assert after(cluster, high) == [f"{low}:0"]
    cluster.settle()
    assert (state(cluster, low), state(cluster, high)) == (TaskState.PENDING, TaskState.RUNNING)
    (ended,) = [cluster.state.get(type(cluster.attempt(f"{high}:0")), uid)
                for uid in cluster.task(f"{low}:0").attempts]  # fmt: skip
    assert ended.state is TaskState.PREEMPTED
    assert ended.cause is not None
    assert (ended.cause.kind, ended.cause.by) == (CauseKind.PREEMPTED, high)
    assert ended.cause.message == f"preempted by {high}:0, whose priority is 90 and not 10"


def test_victim_and_beneficiary_are_one_transaction() -> None:
    """Between the order to end and the end nobody else gets the place, though the victim is retried."""
    cluster = cluster_of()
    low = cluster.submit("low", priority=10, resources=WHOLE)
    cluster.settle()
    changes = len(cluster.changes)
    high = cluster.submit("high", priority=90, resources=WHOLE)
    (stored,) = cluster.changes[changes:]
    ordered = [row for row in stored.rows if getattr(row, "kill", None) is not None]
    given = [row for row in stored.rows if getattr(row, "after", ())]
    assert [row.task for row in ordered] == [f"{low}:0"]  # type: ignore[union-attr]
    assert [row.task for row in given] == [f"{high}:0"]  # type: ignore[union-attr]
    other = cluster.submit("other", priority=80, resources=WHOLE)
    cluster.settle()
    assert (state(cluster, high), state(cluster, other)) == (TaskState.RUNNING, TaskState.PENDING)


def test_the_worker_is_not_told_before_there_is_room() -> None:
    cluster = cluster_of()
    low = cluster.submit("low", priority=10, resources=WHOLE)
    cluster.settle()
    high = cluster.submit("high", priority=90, resources=WHOLE)
    uid = cluster.attempt(f"{high}:0").uid
    assert cluster.desired("w-0") == []
    cluster.report("w-0")  # the victim still runs there
    assert not cluster.attempt(f"{high}:0").state.ended
    assert cluster.desired("w-0") == []
    cluster.pull("w-0")
    assert state(cluster, low) is TaskState.PENDING
    assert cluster.desired("w-0") == [uid]


def test_equal_priority_ends_nobody() -> None:
    cluster = cluster_of()
    first = cluster.submit("first", resources=WHOLE)
    cluster.settle()
    second = cluster.submit("second", resources=WHOLE)
    assert (cluster.attempt(f"{first}:0").kill, state(cluster, second)) == (None, TaskState.PENDING)


def test_nobody_is_ended_where_there_is_room_elsewhere() -> None:
    cluster = cluster_of(2)
    low = cluster.submit("low", priority=10, resources=WHOLE)
    cluster.settle()
    high = cluster.submit("high", priority=90, resources=WHOLE)
    assert cluster.attempt(f"{low}:0").kill is None
    assert after(cluster, high) == []


def test_the_least_important_and_the_fewest_are_ended() -> None:
    cluster = cluster_of()
    jobs = {}
    for worker, name, priority, replicas, cpu in (
        ("w-0", "many", 10, 4, 2),
        ("w-1", "important", 30, 1, 8),
        ("w-2", "one", 10, 1, 8),
    ):
        if worker not in cluster.workers:
            cluster.join(worker)
        jobs[name] = cluster.submit(name, priority=priority, replicas=replicas, resources=ResourceSpec(cpu))
        cluster.settle()
    high = cluster.submit("high", priority=90, resources=ResourceSpec(6))
    assert after(cluster, high) == [f"{jobs['one']}:0"]


def test_those_that_turn_out_not_to_be_needed_are_spared() -> None:
    cluster = cluster_of()
    small = cluster.submit("small", priority=10, resources=ResourceSpec(1))
    cluster.settle()
    large = cluster.submit("large", priority=20, resources=ResourceSpec(7))
    cluster.settle()
    high = cluster.submit("high", priority=90, resources=ResourceSpec(7))
    assert after(cluster, high) == [f"{large}:0"]
    assert cluster.attempt(f"{small}:0").kill is None


def test_room_that_is_being_given_back_counts_already() -> None:
    """One large task is ended for two small ones, and nobody else for the second."""
    cluster = cluster_of()
    low = cluster.submit("low", priority=10, resources=ResourceSpec(6))
    other = cluster.submit("other", priority=10, resources=ResourceSpec(2))
    cluster.settle()
    high = cluster.submit("high", priority=90, replicas=2, resources=ResourceSpec(3))
    ended = [job for job in (low, other) if cluster.attempt(f"{job}:0").kill]
    assert ended == [low]
    cluster.settle()
    assert [task.state for task in cluster.state.tasks(cluster.job(high))] == [TaskState.RUNNING] * 2
    assert state(cluster, other) is TaskState.RUNNING


def test_a_preemption_is_paid_by_the_platforms_budget() -> None:
    cluster = cluster_of()
    low = cluster.submit("low", priority=10, resources=WHOLE, max_retries_failure=0, max_retries_preemption=1)
    cluster.settle()
    for number in range(2):
        high = cluster.submit(f"high-{number}", priority=90, resources=WHOLE)
        cluster.settle()
        cluster.end(f"{high}:0")
        cluster.advance(2)
        cluster.settle()
    assert cluster.job(low).state is JobState.WORKER_FAILED
    assert state(cluster, low) is TaskState.PREEMPTED


def test_a_beneficiary_that_is_cancelled_lets_go_at_once() -> None:
    cluster = cluster_of()
    cluster.submit("low", priority=10, resources=WHOLE)
    cluster.settle()
    high = cluster.submit("high", priority=90, resources=WHOLE)
    cluster.terminate(high)
    assert cluster.job(high).state is JobState.KILLED
    assert state(cluster, high) is TaskState.KILLED


def test_a_beneficiary_can_be_ended_for_something_still_more_important() -> None:
    cluster = cluster_of()
    low = cluster.submit("low", priority=10, resources=WHOLE)
    cluster.settle()
    high = cluster.submit("high", priority=60, resources=WHOLE)
    highest = cluster.submit("highest", priority=90, resources=WHOLE)
    assert after(cluster, highest) == [f"{low}:0"]
    assert state(cluster, high) is TaskState.PENDING
    cluster.settle()
    assert state(cluster, highest) is TaskState.RUNNING


def test_a_lost_worker_takes_victim_and_beneficiary_along() -> None:
    cluster = cluster_of()
    low = cluster.submit("low", priority=10, resources=WHOLE)
    cluster.settle()
    high = cluster.submit("high", priority=90, resources=WHOLE)
    cluster.advance(31)
    assert [cluster.attempt(f"{job}:0").state.ended for job in (low, high)] == [True, True]
    cluster.advance(5)
    assert [state(cluster, job) for job in (low, high)] == [TaskState.PENDING] * 2


def test_a_worker_that_restarts_before_it_is_told_gets_the_beneficiary() -> None:
    cluster = cluster_of()
    cluster.submit("low", priority=10, resources=WHOLE)
    cluster.settle()
    high = cluster.submit("high", priority=90, resources=WHOLE)
    cluster.join("w-0", incarnation="second")
    cluster.settle()
    assert state(cluster, high) is TaskState.RUNNING
    assert len(cluster.task(f"{high}:0").attempts) == 1


def test_a_large_task_is_not_starved_by_small_ones() -> None:
    """It has waited for long: a worker is emptied for it, and the small ones wait."""
    cluster = cluster_of()
    small = [cluster.submit(f"small-{n}", resources=ResourceSpec(4)) for n in range(2)]
    cluster.settle()
    large = cluster.submit("large", resources=WHOLE)
    for number in range(8):
        cluster.advance(15)
        cluster.settle()
        small.append(cluster.submit(f"later-{number}", resources=ResourceSpec(4)))
        cluster.end(f"{next(job for job in small if state(cluster, job) is TaskState.RUNNING)}:0")
        cluster.settle()
        if state(cluster, large) is TaskState.RUNNING:
            break
    assert state(cluster, large) is TaskState.RUNNING
