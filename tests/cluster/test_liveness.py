"""Workers and controllers that fall silent: killed, suspended, and back again."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from iris.client import IrisClient
from iris.cluster.types import CauseKind, Entrypoint, TaskState
from iris_api.testing import wait_for_condition
from tests.cluster.conftest import Extra, Up
from tests.cluster.kit import LIMIT, ON_EXTRA, all_gone, heard, is_alive, report_and_park_on_extra, waits_for

GRACE = 3.0
quick = pytest.mark.parametrize("processes", [GRACE], indirect=True)


@quick
def test_a_worker_that_was_killed_and_stays_away(processes: IrisClient, extra: Extra, tmp_path: Path) -> None:
    """Its task is tried elsewhere, and what it had left running is gone five seconds later at the latest,
    though nobody has come to look after it."""
    entry = Entrypoint.from_callable(report_and_park_on_extra, str(tmp_path))
    job = processes.submit(name="moves", entrypoint=entry, replicas=2)  # one for each worker
    left = heard(tmp_path / "extra")
    extra.end(kill=True)
    wait_for_condition(lambda: any(w.state == "lost" for w in processes.list_workers()), timeout=LIMIT)
    wait_for_condition(lambda: not is_alive(left), timeout=5.0, message="the end of what was left")
    job.wait(timeout=LIMIT)
    (lost,) = [a for task in job.status().tasks for a in task.attempts if a.worker_id == "extra"]
    assert lost.cause is not None
    assert lost.cause.kind is CauseKind.WORKER_LOST


@quick
def test_a_worker_that_was_suspended(processes: IrisClient, extra: Extra, tmp_path: Path) -> None:
    """For longer than the grace: back again, it is told to stop what was given away, and goes on working."""
    entry = Entrypoint.from_callable(report_and_park_on_extra, str(tmp_path))
    job = processes.submit(name="moves", entrypoint=entry, replicas=2)
    left = heard(tmp_path / "extra")
    assert extra.process is not None
    os.kill(extra.process.pid, signal.SIGSTOP)
    try:
        job.wait(timeout=LIMIT)
        assert is_alive(left)  # its worker lives, and only that knows when it is over
    finally:
        os.kill(extra.process.pid, signal.SIGCONT)
    wait_for_condition(lambda: not is_alive(left), timeout=5.0, message="the end of what was given away")
    wait_for_condition(lambda: all(w.state == "healthy" for w in processes.list_workers()), timeout=LIMIT)
    again = processes.submit(name="again", entrypoint=Entrypoint.from_command("true"), constraints=ON_EXTRA)
    again.wait(timeout=LIMIT)


def test_a_controller_that_was_suspended(tmp_path: Path, own_state: Path) -> None:
    """For longer than the grace: it blames no worker for the silence."""
    up = Up(tmp_path)
    up.configure("default", "process", controller=f"worker_grace = {GRACE}")
    up.start()
    try:
        job = IrisClient.remote(up.address).submit(name="stays", entrypoint=waits_for(tmp_path / "go"))
        assert next(job.tasks()[0].logs(follow=True)).data == "before"
        os.kill(up.pid, signal.SIGSTOP)
        suspended = time.monotonic()
        wait_for_condition(lambda: time.monotonic() > suspended + GRACE + 2, timeout=LIMIT)
        os.kill(up.pid, signal.SIGCONT)
        (tmp_path / "go").touch()
        job.wait(timeout=LIMIT)
        (attempt,) = job.status().tasks[0].attempts
        assert attempt.state is TaskState.SUCCEEDED
    finally:
        up.stop()


def test_a_machine_whose_controller_and_worker_were_killed(tmp_path: Path, own_state: Path) -> None:
    """What runs goes on while nobody is there, and ends when the time for that is over."""
    up = Up(tmp_path)
    up.configure("default", "process", controller="worker_grace = 1.0\nabsence = 3.0")
    up.start()
    script = f"echo $$ > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; exec sleep 300"
    job = IrisClient.remote(up.address).submit(
        name="left", entrypoint=Entrypoint.from_command("sh", "-c", script), max_retries_preemption=0
    )
    pid = heard(tmp_path / "pid")
    up.kill()
    killed = time.monotonic()
    wait_for_condition(lambda: all_gone([pid]), timeout=LIMIT)
    assert 2.5 < time.monotonic() - killed < 3.0 + 5.0
    up.start()
    try:
        cause = job.wait(timeout=LIMIT, raise_on_failure=False).cause
        assert cause is not None
        assert (cause.kind, cause.message) == (CauseKind.WORKER_LOST, "its worker was gone for 3 s")
    finally:
        up.stop()
