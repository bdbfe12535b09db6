"""Jobs: derived from their tasks, ended by a verdict, followed by their children."""

from __future__ import annotations

import pytest

from iris_api.errors import Refused
from iris_api.jobs import CauseKind, JobState, TaskState
from iris_controller.rows import Job
from tests.controller.kit import FAILED, OK, SIGKILL, Cluster


@pytest.fixture
def cluster() -> Cluster:
    cluster = Cluster()
    cluster.join()
    return cluster


def test_a_job_runs_when_its_first_task_does(cluster: Cluster) -> None:
    job = cluster.submit(replicas=2)
    assert cluster.job(job).state is JobState.PENDING
    cluster.settle()
    assert cluster.job(job).state is JobState.RUNNING
    assert cluster.job(job).started == cluster.clock.wall()


def test_a_job_has_succeeded_when_all_its_tasks_have(cluster: Cluster) -> None:
    job = cluster.submit(replicas=2)
    cluster.settle()
    cluster.end(f"{job}:0")
    assert cluster.job(job).state is JobState.RUNNING
    cluster.end(f"{job}:1")
    assert cluster.job(job).state is JobState.SUCCEEDED


def test_one_failure_too_many_ends_the_siblings(cluster: Cluster) -> None:
    job = cluster.submit(replicas=3)
    cluster.settle()
    cluster.end(f"{job}:1", FAILED)
    assert cluster.job(job).state is JobState.RUNNING
    cluster.settle()
    cause = cluster.task(f"{job}:0").cause
    assert cause is not None
    assert cause.kind is CauseKind.SIBLING_FAILED
    assert cause.message == f"task {job}:1 of the job failed: task exited with code 3"
    assert cluster.job(job).state is JobState.FAILED
    assert cluster.job(job).cause == cluster.task(f"{job}:1").cause


def test_tolerated_failures_do_not_fail_the_job(cluster: Cluster) -> None:
    job = cluster.submit(replicas=3, max_task_failures=1)
    cluster.settle()
    cluster.end(f"{job}:0", FAILED)
    cluster.end(f"{job}:1")
    cluster.end(f"{job}:2")
    assert cluster.job(job).state is JobState.SUCCEEDED


def test_the_platforms_budget_spent_ends_the_job(cluster: Cluster) -> None:
    job = cluster.submit(replicas=2, max_retries_preemption=0, max_task_failures=1)
    cluster.settle()
    cluster.end(f"{job}:0", SIGKILL)
    cluster.settle()
    assert cluster.job(job).state is JobState.WORKER_FAILED
    assert cluster.task(f"{job}:1").state is TaskState.KILLED


def test_siblings_that_are_stopped_use_no_budget(cluster: Cluster) -> None:
    job = cluster.submit(replicas=2, max_retries_failure=1)
    cluster.settle()
    cluster.terminate(job)
    cluster.settle()
    assert len(cluster.task(f"{job}:0").attempts) == 1


def test_terminate_ends_what_waits_at_once(cluster: Cluster) -> None:
    job = cluster.submit(replicas=20)
    assert cluster.terminate(job) == [job]
    assert cluster.task(f"{job}:19").state is TaskState.KILLED
    cluster.settle()
    assert cluster.job(job).state is JobState.KILLED


def test_terminate_twice_is_nothing_new(cluster: Cluster) -> None:
    job = cluster.submit()
    cluster.terminate(job)
    assert cluster.terminate(job) == []


def test_terminate_names_an_unknown_job_and_ends_none(cluster: Cluster) -> None:
    job = cluster.submit()
    with pytest.raises(Refused, match="no job 'nobody'"):
        cluster.terminate(job, "nobody")
    assert cluster.job(job).going_on


@pytest.mark.parametrize("exit_", [OK, FAILED, SIGKILL])
def test_children_end_with_the_attempt_that_submitted_them(cluster: Cluster, exit_: object) -> None:
    parent = cluster.submit("parent", max_retries_failure=5)
    cluster.settle()
    child = cluster.child(f"{parent}:0")
    cluster.settle()
    grandchild = cluster.child(f"{child}:0")
    cluster.settle()
    cluster.end(f"{parent}:0", exit_)  # type: ignore[arg-type]
    cluster.settle()
    assert cluster.states(child, grandchild) == [JobState.KILLED, JobState.KILLED]
    cause = cluster.job(child).cause
    assert cause is not None
    assert cause.kind is CauseKind.PARENT_ENDED


def test_children_of_the_other_replicas_go_on(cluster: Cluster) -> None:
    parent = cluster.submit("parent", replicas=2)
    cluster.settle()
    mine, other = cluster.child(f"{parent}:0", "mine"), cluster.child(f"{parent}:1", "other")
    cluster.settle()
    cluster.end(f"{parent}:0")
    cluster.settle()
    assert cluster.states(mine, other) == [JobState.KILLED, JobState.RUNNING]


def test_terminating_a_parent_ends_all_below_it(cluster: Cluster) -> None:
    parent = cluster.submit("parent")
    cluster.settle()
    child = cluster.child(f"{parent}:0", replicas=3)
    cluster.settle()
    cluster.terminate(parent)
    cluster.settle()
    assert cluster.states(parent, child) == [JobState.KILLED, JobState.KILLED]


def test_an_orphan_is_not_placed(cluster: Cluster) -> None:
    parent = cluster.submit("parent")
    cluster.settle()
    child = cluster.child(f"{parent}:0", replicas=20)  # some wait
    row = cluster.job(parent)
    cluster.run(lambda draft, now: draft.delete(Job, row.id))
    cluster.settle()
    for task in cluster.state.tasks(cluster.job(child)):
        if task.live:
            cluster.end(task.id)
    assert cluster.job(child).state is JobState.KILLED
