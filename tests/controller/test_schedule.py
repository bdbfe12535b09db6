"""Placing: what fits, in which order, on which worker, and why something waits."""

from __future__ import annotations

import pytest

from iris_api.jobs import Constraint, CoschedulingConfig, JobState, TaskState
from iris_api.resources import ResourceSpec
from iris_controller.feasibility import met
from iris_controller.prospects import foresee
from iris_controller.rows import PoolSpec
from iris_controller.transitions.submit import Submit
from tests.controller.kit import FAILED, Cluster, spec


def placed(cluster: Cluster, job: str) -> list[bool]:
    return [task.state is not TaskState.PENDING for task in cluster.state.tasks(cluster.job(job))]


def workers_of(cluster: Cluster, job: str) -> list[str]:
    return [cluster.attempt(task.id).worker for task in cluster.state.tasks(cluster.job(job))]


def test_tasks_are_spread_over_the_least_loaded() -> None:
    cluster = Cluster()
    cluster.join("w-1")
    cluster.join("w-2")
    first = cluster.submit("a")
    second = cluster.submit("b", replicas=3)
    workers = workers_of(cluster, first) + workers_of(cluster, second)
    assert sorted(workers) == ["w-1", "w-1", "w-2", "w-2"]


def test_tasks_that_reserve_nothing_are_spread_too() -> None:
    cluster = Cluster()
    cluster.join("w-1")
    cluster.join("w-2")
    job = cluster.submit(replicas=4, resources=ResourceSpec(0))
    assert sorted(workers_of(cluster, job)) == ["w-1", "w-1", "w-2", "w-2"]


def test_a_worker_is_filled_and_not_beyond() -> None:
    cluster = Cluster()
    cluster.join()
    job = cluster.submit(replicas=5, resources=ResourceSpec(2))
    assert placed(cluster, job) == [True, True, True, True, False]


def test_memory_counts_like_cores() -> None:
    cluster = Cluster()
    cluster.join()
    job = cluster.submit(replicas=3, resources=ResourceSpec(1, "8GB"))
    assert placed(cluster, job) == [True, True, False]


def test_sums_of_fractions_of_cores_fill_a_worker() -> None:
    cluster = Cluster()
    cluster.join("w-1", resources=ResourceSpec(1))
    job = cluster.submit(replicas=10, resources=ResourceSpec(0.1))
    assert all(placed(cluster, job))


def test_what_is_too_large_now_does_not_hold_back_the_small() -> None:
    cluster = Cluster()
    cluster.join()
    cluster.submit("half", resources=ResourceSpec(5))
    large = cluster.submit("large", resources=ResourceSpec(8))
    small = cluster.submit("small")
    assert (placed(cluster, large), placed(cluster, small)) == ([False], [True])


def test_the_order_is_that_of_submission() -> None:
    cluster = Cluster()
    jobs = [cluster.submit(name, resources=ResourceSpec(8)) for name in "abc"]
    cluster.join()
    assert [placed(cluster, job) for job in jobs] == [[True], [False], [False]]
    cluster.settle()
    cluster.end(f"{jobs[0]}:0")
    assert [placed(cluster, job) for job in jobs] == [[True], [True], [False]]


def test_children_go_before_new_roots() -> None:
    cluster = Cluster()
    cluster.join()
    parent = cluster.submit("parent", resources=ResourceSpec(4))
    other = cluster.submit("other", resources=ResourceSpec(4))
    cluster.settle()
    root = cluster.submit("root", resources=ResourceSpec(4))
    child = cluster.child(f"{parent}:0", resources=ResourceSpec(4))
    cluster.end(f"{other}:0")
    assert (placed(cluster, child), placed(cluster, root)) == ([True], [False])


def test_a_retry_goes_before_later_submits() -> None:
    cluster = Cluster()
    cluster.join("w-1", resources=ResourceSpec(1))
    first = cluster.submit("first", max_retries_failure=1)
    cluster.settle()
    filler = cluster.submit("filler")
    later = cluster.submit("later")
    cluster.end(f"{first}:0", FAILED)
    cluster.settle()
    assert placed(cluster, filler) == [True]
    cluster.advance(1)
    cluster.end(f"{filler}:0")
    assert (placed(cluster, first), placed(cluster, later)) == ([True], [False])


def test_a_lost_worker_gets_nothing() -> None:
    cluster = Cluster()
    cluster.join()
    cluster.advance(31)
    assert placed(cluster, cluster.submit()) == [False]


def test_what_no_pool_can_ever_hold_is_unschedulable_at_once() -> None:
    cluster = Cluster()
    job = cluster.submit(resources=ResourceSpec(1000), replicas=2)
    cause = cluster.job(job).cause
    assert cluster.job(job).state is JobState.UNSCHEDULABLE
    assert cause is not None
    assert cause.message == "no pool can ever hold 1000 cpu: pool default has workers of 8 cpu, 16GB"


def test_a_pool_whose_size_only_its_workers_know_is_judged_by_them() -> None:
    cluster = Cluster(PoolSpec("default", None, 1))
    job = cluster.submit(resources=ResourceSpec(1000))
    assert cluster.job(job).state is JobState.PENDING
    cluster.join()
    assert cluster.job(job).state is JobState.UNSCHEDULABLE


def test_a_larger_pool_that_is_still_empty_is_waited_for() -> None:
    cluster = Cluster(PoolSpec("default", ResourceSpec(8)), PoolSpec("big", ResourceSpec(64)))
    cluster.join()
    job = cluster.submit(resources=ResourceSpec(32))
    assert cluster.job(job).state is JobState.PENDING
    assert cluster.reason(f"{job}:0") == "no worker that is here is large enough for 32 cpu"


def test_another_pool_than_there_is_is_unschedulable() -> None:
    cluster = Cluster()
    job = cluster.submit(constraints=(Constraint("pool", "EQ", "gpu"),))
    cause = cluster.job(job).cause
    assert cause is not None
    assert cause.message == "no pool can ever hold 1 cpu with pool EQ gpu: pool default is another one"


def test_an_attribute_is_waited_for_while_workers_may_still_come() -> None:
    cluster = Cluster()
    cluster.join("w-1", attributes={"zone": "a"})
    job = cluster.submit(constraints=(Constraint("zone", "EQ", "b"),))
    assert cluster.reason(f"{job}:0") == "no worker that is here has zone EQ b"
    cluster.join("w-2", attributes={"zone": "b"})
    assert workers_of(cluster, job) == ["w-2"]


def test_an_attribute_that_a_complete_pool_lacks_is_unschedulable() -> None:
    cluster = Cluster(PoolSpec("default", None, 1))
    cluster.join()
    job = cluster.submit(constraints=(Constraint("zone", "EQ", "b"),))
    assert cluster.job(job).state is JobState.UNSCHEDULABLE


@pytest.mark.parametrize(
    ("op", "values", "present", "absent"),
    [
        ("EQ", "7", True, False),
        ("EQ", "8", False, False),
        ("NE", "8", True, True),
        ("NE", "7", False, True),
        ("IN", ("6", "7"), True, False),
        ("EXISTS", (), True, False),
        ("NOT_EXISTS", (), False, True),
        ("GT", 6, True, False),
        ("GT", 7, False, False),
        ("GE", 7, True, False),
        ("LT", 8, True, False),
        ("LE", 6.5, False, False),
    ],
)
def test_constraints_compare(op: str, values: object, present: bool, absent: bool) -> None:
    constraint = Constraint("k", op, values)  # type: ignore[arg-type]
    assert (met(constraint, {"k": "7"}), met(constraint, {})) == (present, absent)


def test_a_number_is_not_compared_with_text() -> None:
    assert not met(Constraint("k", "GT", 1), {"k": "many"})


def test_every_wait_has_a_reason() -> None:
    cluster = Cluster()
    cpu = cluster.submit("cpu", resources=ResourceSpec(4))
    assert cluster.reason(f"{cpu}:0") == "no worker has joined yet"
    cluster.join()
    cluster.submit("rest", resources=ResourceSpec(2, "14GB"))
    cpu = cluster.submit("more", resources=ResourceSpec(4))
    memory = cluster.submit("memory", resources=ResourceSpec(1, "4GB"))
    assert cluster.reason(f"{cpu}:0") == "no worker of pool default has 4 cpu free now: 2 of 8 free"
    assert (
        cluster.reason(f"{memory}:0") == "no worker of pool default has 4GB memory free now: 2GB of 16GB free"
    )


def test_what_is_smaller_is_placed_in_the_pass_in_which_the_larger_finds_no_room() -> None:
    cluster = Cluster()
    gang = CoschedulingConfig()
    four = cluster.submit("four", replicas=4, coscheduling=gang, resources=ResourceSpec(3))
    two = cluster.submit("two", replicas=2, coscheduling=gang, resources=ResourceSpec(3))
    large = cluster.submit("large", resources=ResourceSpec(3))
    small = cluster.submit("small", resources=ResourceSpec(2))
    cluster.join()
    assert [placed(cluster, job)[0] for job in (four, two, large, small)] == [False, True, False, True]


def test_a_plan_says_whose_end_it_would_wait_for() -> None:
    """Nobody would be ended for it, and still it would not start at once."""
    cluster = Cluster()
    cluster.join("w-1")
    low = cluster.submit("low", priority=10, resources=ResourceSpec(8))
    cluster.settle()
    cluster.terminate(low)
    request = Submit(spec=spec("high", priority=90, resources=ResourceSpec(8)))
    (prospect,) = foresee(cluster.state, cluster.rules, cluster.now(), request, lambda name: f"{name}-x")
    assert prospect.worker == "w-1"
    assert prospect.reason.why == f"worker w-1 makes room for it: {low}:0 must end first"
