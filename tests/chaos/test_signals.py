"""Processes that stand still and go on: as a machine does that sleeps."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from iris.cluster.types import CauseKind, JobState, TaskState
from iris_api.testing import wait_for_condition
from tests.chaos.trio import GRACE, LIMIT, SOON, Trio, signal_all, trio
from tests.rigs.remains import parent_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Trio]:
    with trio(tmp_path) as made:
        yield made


def stand_still(pids: list[int], seconds: float) -> None:
    signal_all(pids, signal.SIGSTOP)
    time.sleep(seconds)
    signal_all(reversed(pids), signal.SIGCONT)


@pytest.mark.chaos
@pytest.mark.parametrize("seconds", [2.0, GRACE + 2.0])
def test_the_controller_stands_still(cluster: Trio, seconds: float) -> None:
    """However long: it could hear nobody, and blames nobody."""
    jobs = [cluster.counting(name, worker) for name, worker in (("first", "one"), ("second", "two"))]
    stand_still([cluster.controller.pid], seconds)
    cluster.client.submit(name="later", entrypoint=cluster.folder.script("true")).wait(timeout=LIMIT)
    time.sleep(1.0)
    assert not cluster.lost()
    assert [len(cluster.attempts(job)) for job in jobs] == [1, 1]
    cluster.finish(*jobs)
    cluster.end()


@pytest.mark.chaos
def test_a_worker_stands_still_for_a_moment(cluster: Trio) -> None:
    """Nothing happens."""
    job = cluster.counting(worker="one")
    stand_still([cluster.workers["one"].pid], 1.0)
    assert len(cluster.attempts(job)) == 1
    cluster.finish(job)
    assert len(cluster.attempts(job)) == 1
    cluster.end()


@pytest.mark.chaos
@pytest.mark.parametrize("what", ["worker", "machine"])
def test_a_worker_stands_still_for_too_long(cluster: Trio, what: str) -> None:
    """Alone, or with all that it runs: its work is given away, and when it goes on it is told to stop what
    is no longer its own. The task is recorded once, and what the first try says after its end is not kept."""
    job = cluster.counting()
    (first,) = cluster.attempts(job)
    pids = (
        cluster.machine_of(first.worker_id) if what == "machine" else [cluster.workers[first.worker_id].pid]
    )
    signal_all(pids, signal.SIGSTOP)
    wait_for_condition(lambda: len(cluster.attempts(job)) == 2, LIMIT, message="another try")
    wait_for_condition(lambda: cluster.runs(job), LIMIT)
    kept = cluster.lines(job, 0)
    signal_all(reversed(pids), signal.SIGCONT)
    wait_for_condition(lambda: not cluster.processes_of_attempt(first.uid), SOON + 1.0)
    wait_for_condition(lambda: not cluster.lost(), LIMIT, message="the worker to be regained")
    before, after = cluster.attempts(job)
    assert (before.state, after.state) == (TaskState.WORKER_FAILED, TaskState.RUNNING)
    assert before.cause is not None
    assert before.cause.kind is CauseKind.WORKER_LOST
    assert after.worker_id != before.worker_id
    assert cluster.lines(job, 0) == kept
    cluster.finish(job)
    assert [one.uid for one in cluster.attempts(job)] == [before.uid, after.uid]
    cluster.end()


@pytest.mark.chaos
def test_tasks_stand_still(cluster: Trio) -> None:
    """A task may sleep as long as it likes."""
    job = cluster.counting()
    (attempt,) = cluster.attempts(job)
    stand_still([seen.pid for seen in cluster.processes_of_attempt(attempt.uid)], GRACE + 2.0)
    assert cluster.attempts(job) == (attempt,)
    cluster.finish(job)
    cluster.end()


def supervisor_of(cluster: Trio, uid: str) -> int:
    (task,) = [seen for seen in cluster.processes_of_attempt(uid) if seen.command.startswith("sh")]
    return parent_of(task.pid)


@pytest.mark.chaos
def test_a_supervisor_stands_still(cluster: Trio) -> None:
    """Output waits, and nothing of it is lost."""
    job = cluster.counting()
    (attempt,) = cluster.attempts(job)
    stand_still([supervisor_of(cluster, attempt.uid)], GRACE + 2.0)
    cluster.finish(job)
    assert len(cluster.attempts(job)) == 1
    cluster.end()


def test_a_job_is_cancelled_whose_supervisor_stands_still(cluster: Trio) -> None:
    """It ends all the same, and nothing of it is left."""
    job = cluster.counting()
    (attempt,) = cluster.attempts(job)
    os.kill(supervisor_of(cluster, attempt.uid), signal.SIGSTOP)
    job.terminate()
    status = job.wait(timeout=LIMIT, raise_on_failure=False)
    assert status.state is JobState.KILLED
    assert status.cause is not None
    assert status.cause.kind is CauseKind.CANCELLED
    wait_for_condition(lambda: not cluster.processes_of_attempt(attempt.uid), SOON)
    cluster.end()
