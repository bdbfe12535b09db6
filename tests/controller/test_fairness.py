"""Users: their order, their quotas; budgets that refill; workers that rest."""

from __future__ import annotations

import pytest
from attrs import evolve

from iris_api.errors import Refused
from iris_api.jobs import JobState, TaskState
from iris_api.platform import Exit, ExitKind
from iris_api.resources import ResourceSpec
from iris_controller.rows import PoolSpec, Worker
from iris_controller.rules import Quota, Rules
from tests.controller.kit import FAILED, Cluster

POOL = PoolSpec("default", ResourceSpec(8, "16GB"), 8)
BROKEN = Exit(kind=ExitKind.ENVIRONMENT, message="no interpreter")


def with_quotas(**quotas: Quota) -> Cluster:
    cluster = Cluster(POOL)
    cluster.rules = Rules(pools=(POOL,), quotas=quotas)
    return cluster


def running(cluster: Cluster, job: str) -> int:
    return sum(bool(task.live) for task in cluster.state.tasks(cluster.job(job)))


def test_users_share_what_there_is() -> None:
    """The one who came first does not take all."""
    cluster = Cluster(POOL)
    first = cluster.submit("first", user="ann", replicas=20)
    second = cluster.submit("second", user="bob", replicas=20)
    cluster.join()
    assert (running(cluster, first), running(cluster, second)) == (4, 4)


def test_who_has_less_running_goes_first() -> None:
    cluster = Cluster(POOL)
    cluster.join()
    ann = cluster.submit("early", user="ann", replicas=8)
    cluster.settle()
    more = cluster.submit("more", user="ann", replicas=2)
    bob = cluster.submit("late", user="bob", replicas=2)
    for index in range(2):
        cluster.end(f"{ann}:{index}")
    assert (running(cluster, more), running(cluster, bob)) == (0, 2)


def test_children_of_running_jobs_are_not_starved_by_new_roots_of_others() -> None:
    cluster = Cluster(POOL)
    cluster.join()
    parent = cluster.submit("parent", user="ann", replicas=8)
    cluster.settle()
    roots = [cluster.submit(f"root-{n}", user="bob") for n in range(3)]
    child = cluster.child(f"{parent}:0")
    cluster.end(f"{parent}:1")
    assert running(cluster, child) == 1
    assert not any(running(cluster, root) for root in roots)


def test_a_child_is_its_root_jobs_users() -> None:
    cluster = Cluster(POOL)
    cluster.join()
    parent = cluster.submit("parent", user="ann")
    cluster.settle()
    assert cluster.job(cluster.child(f"{parent}:0", user="somebody")).user == "ann"


def test_over_the_running_quota_tasks_wait() -> None:
    cluster = with_quotas(ann=Quota(running=3))
    cluster.join()
    job = cluster.submit(user="ann", replicas=5)
    assert running(cluster, job) == 3
    assert cluster.reason(f"{job}:4") == "user ann has 3 running, and may have 3"
    other = cluster.submit("other", user="bob", replicas=5)
    assert running(cluster, other) == 5
    cluster.settle()
    cluster.end(f"{job}:0")
    assert running(cluster, job) == 3


def test_the_default_quota_is_for_all_without_one() -> None:
    cluster = with_quotas(default=Quota(running=1), ann=Quota())
    cluster.join()
    assert running(cluster, cluster.submit("a", user="ann", replicas=4)) == 4
    assert running(cluster, cluster.submit("b", user="bob", replicas=4)) == 1


def test_over_the_pending_quota_a_submit_is_refused_and_changes_nothing() -> None:
    cluster = with_quotas(ann=Quota(pending=4))
    cluster.submit("fits", user="ann", replicas=3)
    with pytest.raises(Refused, match="3 tasks of user ann wait for a place, and with 2 more") as refused:
        cluster.submit("too-many", user="ann", replicas=2)
    assert refused.value.code == "resource_exhausted"
    assert cluster.job(cluster.submit("one", user="ann")).state is JobState.PENDING
    cluster.submit("others", user="bob", replicas=50)


def test_tasks_that_back_off_count_as_pending() -> None:
    cluster = with_quotas(ann=Quota(pending=1))
    cluster.join()
    job = cluster.submit(user="ann", max_retries_failure=1)
    cluster.settle()
    cluster.end(f"{job}:0", FAILED)
    with pytest.raises(Refused):
        cluster.submit("more", user="ann")


@pytest.mark.parametrize(("refill_after", "attempts"), [(None, 2), (50.0, 6)])
def test_a_service_gets_its_tries_back_after_healthy_uptime(
    refill_after: float | None, attempts: int
) -> None:
    cluster = Cluster(POOL)
    cluster.join()
    job = cluster.submit(max_retries_failure=1, refill_after=refill_after)
    for _ in range(5):
        cluster.settle()
        for _ in range(6):
            cluster.advance(10)
            cluster.report()
        if cluster.job(job).state.ended:
            break
        cluster.end(f"{job}:0", FAILED, started=cluster.attempt(f"{job}:0").started)
        cluster.advance(11)
    cluster.settle()
    assert len(cluster.task(f"{job}:0").attempts) == attempts


def fail(cluster: Cluster, *jobs: str) -> None:
    for job in jobs:
        cluster.settle()
        cluster.end(f"{job}:0", BROKEN)


def test_a_worker_that_fails_several_jobs_rests() -> None:
    cluster = Cluster(POOL)
    cluster.join()
    jobs = [cluster.submit(f"job-{n}", max_retries_preemption=0) for n in range(3)]
    fail(cluster, *jobs)
    waits = cluster.submit("waits")
    assert running(cluster, waits) == 0
    assert cluster.reason(f"{waits}:0") == (
        "no worker takes it: worker w-1 rests for 10 s after 3 failures of its own in a row"
    )
    cluster.advance(10)
    cluster.settle()
    assert running(cluster, waits) == 1


def test_one_job_that_fails_everywhere_makes_no_worker_rest() -> None:
    cluster = Cluster(POOL)
    cluster.join()
    bad = cluster.submit("bad", max_retries_preemption=9)
    for _ in range(4):
        fail(cluster, bad)
        cluster.advance(9)
    assert running(cluster, cluster.submit("good")) == 1


def test_jobs_that_ask_for_what_there_is_not_make_no_worker_rest() -> None:
    cluster = Cluster(POOL)
    cluster.join()
    for number in range(5):
        job = cluster.submit(f"job-{number}", max_retries_preemption=0)
        cluster.settle()
        cluster.end(f"{job}:0", evolve(BROKEN, of_job=True))
    assert running(cluster, cluster.submit("good")) == 1


def test_a_success_in_between_is_a_fresh_start() -> None:
    cluster = Cluster(POOL)
    cluster.join()
    jobs = [cluster.submit(f"job-{n}", max_retries_preemption=0) for n in range(4)]
    fail(cluster, *jobs[:2])
    cluster.end(f"{jobs[2]}:0")
    fail(cluster, jobs[3])
    assert cluster.state.get(Worker, "w-1").rests_until == 0


def test_each_rest_is_longer() -> None:
    cluster = Cluster(POOL)
    cluster.join()
    ends: list[float] = []
    for number in range(6):
        job = cluster.submit(f"job-{number}", max_retries_preemption=0)
        cluster.settle()
        if cluster.task(f"{job}:0").state is not TaskState.RUNNING:
            cluster.advance(ends[-1])
            cluster.settle()
        fail(cluster, job)
        until = cluster.state.get(Worker, "w-1").rests_until
        if until:
            ends.append(until - cluster.clock.now())
    assert ends == [10.0, 20.0, 40.0, 80.0]


def test_a_retry_goes_elsewhere_if_it_can() -> None:
    cluster = Cluster(POOL)
    cluster.join("w-1")
    job = cluster.submit("job")
    cluster.settle()
    cluster.join("w-2")
    cluster.submit("load", replicas=3)  # w-1 is the less loaded one now and then
    cluster.settle()
    first = cluster.attempt(f"{job}:0").worker
    cluster.end(f"{job}:0", BROKEN)
    cluster.advance(1)
    assert cluster.attempt(f"{job}:0").worker != first
