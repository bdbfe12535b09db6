"""Timeouts: of a job from its first start, of a task's wait for a place."""

from __future__ import annotations

from iris_api.jobs import CauseKind, CoschedulingConfig, JobState, TaskState
from iris_api.platform import Exit, ExitKind
from iris_api.resources import ResourceSpec
from tests.controller.kit import FAILED, Cluster


def test_a_jobs_time_counts_from_its_first_start() -> None:
    cluster = Cluster()
    job = cluster.submit(timeout=5)
    cluster.advance(100)
    cluster.join()
    cluster.settle()
    cluster.advance(4.9)
    assert cluster.attempt(f"{job}:0").kill is None
    cluster.advance(0.1)
    cluster.settle()
    cause = cluster.job(job).cause
    assert cluster.job(job).state is JobState.FAILED
    assert cause is not None
    assert cause.kind is CauseKind.TIMEOUT
    assert cause.message == f"job {job} has run for longer than its timeout of 5 s"


def test_a_retry_does_not_start_the_time_anew() -> None:
    cluster = Cluster()
    cluster.join()
    job = cluster.submit(timeout=5, max_retries_failure=1)
    cluster.settle()
    cluster.advance(4)
    cluster.end(f"{job}:0", FAILED)
    cluster.advance(0.5)
    cluster.settle()
    cluster.advance(0.5)
    cluster.settle()
    assert cluster.job(job).state is JobState.FAILED


def test_a_wait_for_a_place_has_an_end_and_a_reason() -> None:
    cluster = Cluster()
    job = cluster.submit(scheduling_timeout=5)
    cluster.advance(4.9)
    assert cluster.job(job).state is JobState.PENDING
    cluster.advance(0.1)
    cause = cluster.job(job).cause
    assert cluster.job(job).state is JobState.UNSCHEDULABLE
    assert cause is not None
    assert cause.message == "no place was found within 5 s: no worker has joined yet"


def test_a_place_found_ends_the_wait() -> None:
    cluster = Cluster()
    cluster.join()
    job = cluster.submit(scheduling_timeout=5)
    for _ in range(3):
        cluster.advance(3)
        cluster.settle()
    assert cluster.job(job).state is JobState.RUNNING


def test_one_task_without_a_place_ends_the_job() -> None:
    cluster = Cluster()
    cluster.join()
    job = cluster.submit(scheduling_timeout=5, replicas=2, resources=ResourceSpec(5))
    cluster.settle()
    cluster.advance(5)
    assert cluster.task(f"{job}:1").state is TaskState.UNSCHEDULABLE
    cluster.settle()
    assert cluster.job(job).state is JobState.UNSCHEDULABLE
    assert cluster.task(f"{job}:0").state is TaskState.KILLED


def test_back_off_and_the_wait_are_told_apart() -> None:
    cluster = Cluster()
    cluster.join()
    job = cluster.submit(max_retries_failure=5)
    for _ in range(4):
        cluster.settle()
        cluster.end(f"{job}:0", FAILED)
        cluster.advance(10)
    cluster.settle()
    cluster.end(f"{job}:0", FAILED)
    assert cluster.reason(f"{job}:0") == "waiting 4 s after failure 5: task exited with code 3"


def test_an_environment_that_cannot_be_made_is_not_tried_for_ever() -> None:
    """Three tries more, and the job ends for that cause, though the platform's budget is not used up."""
    cluster = Cluster()
    cluster.join()
    job = cluster.submit()
    for _ in range(4):
        cluster.settle()
        cluster.end(f"{job}:0", Exit(kind=ExitKind.ENVIRONMENT, message="no such interpreter"))
        cluster.advance(70)
    ended = cluster.job(job)
    assert ended.state is JobState.WORKER_FAILED
    assert ended.cause is not None
    assert ended.cause.message == "no such interpreter"


def test_what_the_job_asks_for_in_vain_is_not_tried_again() -> None:
    """Such as an image that there is not."""
    cluster = Cluster()
    cluster.join()
    job = cluster.submit()
    cluster.settle()
    cluster.end(f"{job}:0", Exit(kind=ExitKind.ENVIRONMENT, message="there is no image x", of_job=True))
    ended = cluster.job(job)
    assert ended.state is JobState.WORKER_FAILED
    assert ended.cause is not None
    assert ended.cause.message == "there is no image x"


def test_a_gang_may_back_off_for_longer_than_it_may_wait_for_a_place() -> None:
    """As a task alone may: the limit runs from when all of the gang may be placed."""
    cluster = Cluster()
    cluster.join()
    gang = cluster.submit("gang", replicas=2, coscheduling=CoschedulingConfig(), scheduling_timeout=2.0,
                          max_retries_failure=9)  # fmt: skip
    cluster.settle()
    for _ in range(6):  # the last of these pauses is one of 6.4 s
        cluster.end(f"{gang}:0", FAILED)
        cluster.settle()
        for _ in range(14):
            cluster.advance(0.5)
            cluster.settle()
        assert cluster.task(f"{gang}:1").state is TaskState.RUNNING


def test_a_gang_that_starts_again_has_an_end_of_its_wait_too() -> None:
    cluster = Cluster(grace=1e6)
    cluster.join()
    gang = cluster.submit("gang", replicas=2, coscheduling=CoschedulingConfig(), scheduling_timeout=2.0,
                          resources=ResourceSpec(4))  # fmt: skip
    cluster.settle()
    cluster.submit("urgent", priority=90, resources=ResourceSpec(8))
    cluster.settle()
    cluster.advance(2.0)
    assert cluster.job(gang).going_on
    cluster.advance(0.6)
    assert cluster.job(gang).state is JobState.UNSCHEDULABLE
