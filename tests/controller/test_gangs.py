"""Gangs: whole or not at all, in one group, and ended together."""

from __future__ import annotations

from typing import Any

import pytest

from iris_api.errors import Refused
from iris_api.jobs import Cause, CauseKind, CoschedulingConfig, JobState, TaskState
from iris_api.platform import Exit, ExitKind
from iris_api.resources import ResourceSpec
from iris_controller.rows import Attempt, PoolSpec
from iris_controller.rules import Quota, Rules
from tests.controller.kit import FAILED, Cluster

BY_SLICE = CoschedulingConfig(group_by="slice")
WHOLE = ResourceSpec(8)


def sliced(*sizes: int) -> Cluster:
    """A cluster with slices of so many workers each."""
    cluster = Cluster(PoolSpec("default", ResourceSpec(8, "16GB"), 64))
    for slice_, size in enumerate(sizes):
        for index in reversed(range(size)):
            cluster.join(
                f"w-{slice_}-{index}", attributes={"slice": f"s-{slice_}", "slice_index": str(index)}
            )
    return cluster


def gang(cluster: Cluster, replicas: int, name: str = "gang", **given: Any) -> str:
    given = {"coscheduling": BY_SLICE, "resources": WHOLE} | given
    return str(cluster.submit(name, replicas=replicas, **given))


def states(cluster: Cluster, job: str) -> list[TaskState]:
    return [task.state for task in cluster.state.tasks(cluster.job(job))]


def workers(cluster: Cluster, job: str) -> list[str]:
    return [cluster.attempt(task.id).worker for task in cluster.state.tasks(cluster.job(job))]


def causes(cluster: Cluster, job: str) -> list[list[str]]:
    """Of each task, the causes of its attempts."""
    return [
        [_kind(cluster.state.get(Attempt, uid).cause) for uid in task.attempts]
        for task in cluster.state.tasks(cluster.job(job))
    ]


def _kind(cause: Cause | None) -> str:
    return "" if cause is None else cause.kind.value


def test_a_gang_is_on_one_slice_in_the_order_of_its_index() -> None:
    cluster = sliced(2, 4, 3)
    job = gang(cluster, 3)
    assert workers(cluster, job) == ["w-2-0", "w-2-1", "w-2-2"]


def test_of_a_gang_that_does_not_fit_whole_nothing_starts() -> None:
    cluster = sliced(2, 2)
    job = gang(cluster, 3)
    assert states(cluster, job) == [TaskState.PENDING] * 3
    single = cluster.submit("single", resources=WHOLE)
    cluster.settle()
    assert cluster.task(f"{single}:0").state is TaskState.RUNNING


def test_why_a_gang_waits_tells_full_slices_from_small_ones() -> None:
    cluster = sliced(2, 2)
    too_large = gang(cluster, 3, "large")
    assert cluster.reason(f"{too_large}:0") == (
        "no workers of one slice are large enough for all 3 tasks of the gang: at most 2 fit"
    )
    cluster.submit("busy", replicas=3, resources=WHOLE)
    waits = gang(cluster, 2)
    assert cluster.reason(f"{waits}:0") == (
        "no workers of one slice have room for all 2 tasks of the gang at once: slice s-1 has room for 1 now"
    )


def test_a_gang_starts_when_there_is_room_for_all_of_it() -> None:
    cluster = sliced(2)
    busy = cluster.submit("busy", resources=ResourceSpec(1))
    cluster.settle()
    job = gang(cluster, 2)
    assert states(cluster, job) == [TaskState.PENDING] * 2
    cluster.end(f"{busy}:0")
    assert states(cluster, job) == [TaskState.ASSIGNED] * 2


def test_without_a_group_any_workers_will_do() -> None:
    cluster = sliced(1, 1, 1)
    job = gang(cluster, 3, coscheduling=CoschedulingConfig())
    assert sorted(workers(cluster, job)) == ["w-0-0", "w-1-0", "w-2-0"]


def test_a_worker_without_the_attribute_is_in_no_group() -> None:
    cluster = Cluster()
    cluster.join("w-1")
    job = gang(cluster, 1)
    assert states(cluster, job) == [TaskState.PENDING]


@pytest.mark.parametrize(
    ("exit_", "kind"),
    [
        (Exit(kind=ExitKind.SIGNALED, signal=9), CauseKind.KILLED_OUTSIDE),
        (FAILED, CauseKind.EXIT),
    ],
)
def test_the_end_of_one_ends_all_and_all_start_again(exit_: Exit, kind: CauseKind) -> None:
    cluster = sliced(3)
    job = gang(cluster, 3, max_retries_failure=1)
    cluster.settle()
    cluster.end(f"{job}:1", exit_)
    cluster.settle()
    assert states(cluster, job) == [TaskState.PENDING] * 3
    assert causes(cluster, job) == [["gang_ended"], [kind.value], ["gang_ended"]]
    cluster.advance(1)
    cluster.settle()
    assert states(cluster, job) == [TaskState.RUNNING] * 3


def test_nothing_starts_again_before_all_of_it_is_gone() -> None:
    cluster = sliced(2, 2)
    job = gang(cluster, 2, max_retries_failure=1)
    cluster.settle()
    cluster.end(f"{job}:1", FAILED)
    cluster.advance(5)
    assert states(cluster, job) == [TaskState.RUNNING, TaskState.PENDING]
    cluster.settle()
    assert states(cluster, job) == [TaskState.RUNNING] * 2


def test_one_failure_is_paid_once() -> None:
    """The siblings' budgets are untouched, however they end."""
    cluster = sliced(3)
    job = gang(cluster, 3, max_retries_failure=1)
    for guilty in (0, 1):
        cluster.settle()
        cluster.end(f"{job}:{guilty}", FAILED)
        other = f"{job}:{1 - guilty}"
        cluster.end(other, Exit(kind=ExitKind.EXITED, code=1))  # it lost its peer
        cluster.settle()
        cluster.advance(2)
    cluster.settle()
    assert cluster.job(job).state is JobState.RUNNING


def test_over_the_budget_the_job_fails_with_the_cause_of_the_guilty() -> None:
    cluster = sliced(2)
    job = gang(cluster, 2, max_task_failures=1)
    cluster.settle()
    cluster.end(f"{job}:0", FAILED)
    cluster.settle()
    row = cluster.job(job)
    assert row.state is JobState.FAILED
    assert row.cause is not None
    assert row.cause.kind is CauseKind.EXIT
    assert states(cluster, job) == [TaskState.FAILED, TaskState.KILLED]


def test_who_had_succeeded_starts_again_with_the_others() -> None:
    cluster = sliced(2)
    job = gang(cluster, 2, max_retries_failure=1)
    cluster.settle()
    cluster.end(f"{job}:0")
    assert states(cluster, job)[0] is TaskState.SUCCEEDED
    cluster.end(f"{job}:1", FAILED)
    cluster.advance(1)
    cluster.settle()
    assert states(cluster, job) == [TaskState.RUNNING] * 2
    for index in range(2):
        cluster.end(f"{job}:{index}")
    assert cluster.job(job).state is JobState.SUCCEEDED


def test_a_lost_worker_ends_the_gang() -> None:
    cluster = sliced(2, 2)
    job = gang(cluster, 2)
    cluster.settle()
    first = workers(cluster, job)
    for _ in range(4):
        cluster.advance(9)
        for worker in cluster.workers:
            if worker != first[0]:
                cluster.pull(worker)
    cluster.settle(*[worker for worker in cluster.workers if worker != first[0]])
    cluster.advance(1)
    assert causes(cluster, job)[0][0] == "worker_lost"
    assert causes(cluster, job)[1][0] == "gang_ended"
    assert set(workers(cluster, job)).isdisjoint(first)


def test_a_gang_makes_room_for_itself_whole() -> None:
    cluster = sliced(2, 2)
    low = [cluster.submit(f"low-{n}", priority=10, resources=WHOLE) for n in range(3)]
    cluster.settle()
    job = gang(cluster, 2, priority=90)
    killed = [name for name in low if cluster.attempt(f"{name}:0").kill]
    assert len(killed) == 1  # one of the slices had a free worker
    cluster.settle()
    assert states(cluster, job) == [TaskState.RUNNING] * 2
    assert len({worker[:3] for worker in workers(cluster, job)}) == 1


def test_of_a_preempted_gang_all_end() -> None:
    cluster = sliced(2)
    job = gang(cluster, 2, priority=10)
    cluster.settle()
    high = cluster.submit("high", priority=90, resources=WHOLE)
    assert all(cluster.attempt(f"{job}:{index}").kill for index in range(2))
    cluster.settle()
    assert cluster.task(f"{high}:0").state is TaskState.RUNNING
    assert sorted(causes(cluster, job)) == [["gang_ended"], ["preempted"]]
    assert states(cluster, job) == [TaskState.PENDING] * 2


def test_a_gang_that_waits_for_room_lets_go_when_a_worker_is_lost() -> None:
    """No partial hold lasts: one of its two places is gone, so the other is free for somebody else."""
    cluster = sliced(2)
    for number in range(2):
        cluster.submit(f"low-{number}", priority=10, resources=WHOLE)
    cluster.settle()
    job = gang(cluster, 2, priority=90)
    places = workers(cluster, job)
    for _ in range(4):
        cluster.advance(9)
        cluster.report(places[0])
    assert [cluster.state.get(Attempt, uid).state.ended for task in cluster.state.tasks(cluster.job(job))
            for uid in task.attempts] == [True, True]  # fmt: skip


def test_a_gang_over_its_users_quota_is_refused() -> None:
    cluster = sliced(2)
    cluster.rules = Rules(pools=cluster.rules.pools, quotas={"ann": Quota(running=1)})
    with pytest.raises(Refused, match="can never start"):
        gang(cluster, 2, user="ann")
