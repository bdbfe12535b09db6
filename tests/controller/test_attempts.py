"""How attempts end: causes, who pays, back-off, and orders to stop."""

from __future__ import annotations

from typing import Any

import pytest

from iris_api.jobs import CauseKind, JobState, TaskState
from iris_api.platform import Exit, ExitKind
from iris_api.resources import ResourceSpec
from iris_controller.rows import Attempt
from iris_controller.transitions.causes import Blame, backoff, cause_of
from tests.controller.kit import FAILED, OK, SIGKILL, Cluster


def running(**given: Any) -> tuple[Cluster, str]:
    cluster = Cluster()
    cluster.join()
    job = cluster.submit(**given)
    cluster.settle()
    return cluster, job


@pytest.mark.parametrize(
    ("exit_", "kind", "message"),
    [
        (FAILED, CauseKind.EXIT, "task exited with code 3"),
        (Exit(kind=ExitKind.SIGNALED, signal=11), CauseKind.SIGNAL, "killed by signal 11 (SIGSEGV)"),
        (Exit(kind=ExitKind.SIGNALED, signal=99), CauseKind.SIGNAL, "killed by signal 99"),
        (SIGKILL, CauseKind.KILLED_OUTSIDE, "killed by SIGKILL that Iris did not order"),
        (Exit(kind=ExitKind.RAISED, message="ValueError: x"), CauseKind.EXCEPTION, "ValueError: x"),
        (
            Exit(kind=ExitKind.OUT_OF_MEMORY, memory_peak=5),
            CauseKind.OUT_OF_MEMORY,
            "task ran out of memory at 5 bytes",
        ),
        (Exit(kind=ExitKind.ENVIRONMENT, message="no bundle"), CauseKind.ENVIRONMENT, "no bundle"),
        (Exit(kind=ExitKind.UNKNOWN), CauseKind.WORKER_LOST, "it is gone, and nobody saw how it ended"),
    ],
)
def test_an_exit_becomes_a_cause_with_a_sentence(exit_: Exit, kind: CauseKind, message: str) -> None:
    cause = cause_of(exit_, ("last",))
    assert cause is not None
    assert (cause.kind, cause.message, cause.last_lines) == (kind, message, ("last",))


def test_success_has_no_cause() -> None:
    assert cause_of(OK) is None


def test_backoff_doubles_to_a_limit() -> None:
    assert [backoff(Blame.USER, count) for count in (1, 2, 3, 50)] == [0.2, 0.4, 0.8, 10.0]
    assert [backoff(Blame.PLATFORM, count) for count in (1, 2, 3, 50)] == [0.5, 1.0, 2.0, 60.0]


def test_success_ends_task_and_job() -> None:
    cluster, job = running()
    cluster.end(f"{job}:0")
    assert cluster.task(f"{job}:0").state is TaskState.SUCCEEDED
    assert cluster.job(job).state is JobState.SUCCEEDED


def test_a_users_failure_without_budget_fails_the_job() -> None:
    cluster, job = running()
    cluster.end(f"{job}:0", FAILED, last_lines=("boom",))
    cause = cluster.job(job).cause
    assert cluster.job(job).state is JobState.FAILED
    assert cause is not None
    assert (cause.exit_code, cause.last_lines) == (3, ("boom",))


def test_a_budget_pays_for_that_many_retries_after_a_pause() -> None:
    cluster, job = running(max_retries_failure=2)
    for pause in (0.2, 0.4):
        cluster.end(f"{job}:0", FAILED)
        cluster.advance(pause - 0.01)
        assert cluster.task(f"{job}:0").state is TaskState.PENDING
        cluster.advance(0.01)
        assert cluster.task(f"{job}:0").state is TaskState.ASSIGNED
        cluster.settle()
    cluster.end(f"{job}:0", FAILED)
    assert cluster.job(job).state is JobState.FAILED
    assert len(cluster.task(f"{job}:0").attempts) == 3


def test_the_platforms_failures_do_not_use_the_users_budget() -> None:
    cluster, job = running(max_retries_failure=0, max_retries_preemption=1)
    cluster.end(f"{job}:0", SIGKILL)
    assert cluster.task(f"{job}:0").state is TaskState.PENDING
    cluster.advance(1)
    cluster.settle()
    cluster.end(f"{job}:0", SIGKILL)
    assert cluster.job(job).state is JobState.WORKER_FAILED
    assert cluster.task(f"{job}:0").state is TaskState.WORKER_FAILED


def test_long_healthy_runs_do_not_use_up_the_platforms_budget() -> None:
    cluster, job = running(max_retries_preemption=1)
    for _ in range(5):
        uid = cluster.attempt(f"{job}:0").uid
        for _ in range(400):
            cluster.advance(10)
            cluster.report()
        assert cluster.attempt(f"{job}:0").uid == uid
        cluster.workers["w-1"].has.clear()
        cluster.report()
        cluster.advance(1)
        cluster.settle()
    assert cluster.job(job).state is JobState.RUNNING


def test_an_ended_attempt_never_changes() -> None:
    cluster, job = running(max_retries_failure=1)
    uid = cluster.attempt(f"{job}:0").uid
    cluster.end(f"{job}:0", FAILED)
    before = cluster.state.get(Attempt, uid)
    cluster.advance(1)
    cluster.settle()
    cluster.terminate(job)
    cluster.settle()
    assert cluster.state.get(Attempt, uid) is before


def test_capacity_is_held_until_the_worker_confirms_the_end() -> None:
    cluster, job = running(resources=ResourceSpec(8))
    other = cluster.submit("other")
    cluster.terminate(job)
    assert cluster.job(job).state is JobState.RUNNING
    assert cluster.task(f"{other}:0").state is TaskState.PENDING
    cluster.pull()
    assert cluster.job(job).state is JobState.KILLED
    assert cluster.task(f"{other}:0").state is TaskState.ASSIGNED


def test_a_cancelled_attempt_says_by_whom() -> None:
    cluster, job = running()
    cluster.terminate(job, by="ann")
    cluster.settle()
    cause = cluster.attempt(f"{job}:0").cause
    assert cause is not None
    assert (cause.kind, cause.message, cause.by) == (CauseKind.CANCELLED, "cancelled by ann", "ann")


def test_an_exit_before_the_stop_signal_counts_as_it_was() -> None:
    cluster, job = running()
    cluster.terminate(job)
    cluster.end(f"{job}:0", OK, stopped=False)
    assert cluster.job(job).state is JobState.SUCCEEDED


def test_an_exit_after_the_stop_signal_is_the_orders() -> None:
    cluster, job = running()
    cluster.terminate(job)
    cluster.end(f"{job}:0", SIGKILL, stopped=True)
    assert cluster.task(f"{job}:0").state is TaskState.KILLED


def test_a_stop_that_nobody_here_ordered_is_the_platforms() -> None:
    cluster, job = running()
    cluster.end(f"{job}:0", Exit(kind=ExitKind.SIGNALED, signal=15), stopped=True)
    cause = cluster.attempt(f"{job}:0").cause
    assert cause is not None
    assert cause.kind is CauseKind.WORKER_LOST
    assert cluster.task(f"{job}:0").state is TaskState.PENDING


def test_an_abandoned_thread_is_told_of() -> None:
    cluster, job = running()
    cluster.terminate(job)
    cluster.end(f"{job}:0", Exit(kind=ExitKind.ABANDONED), stopped=True)
    cause = cluster.attempt(f"{job}:0").cause
    assert cause is not None
    assert cause.message.endswith("its thread did not stop and was abandoned")
