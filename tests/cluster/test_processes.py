"""Process groups: asked, then killed, and nothing of them survives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from iris.client import IrisClient
from iris.cluster.types import CauseKind, Entrypoint, JobState
from iris_api.testing import wait_for_condition
from tests.cluster.kit import LIMIT, all_gone, heard, is_alive, tell

# Leaves a child in the group and a grandchild in a session of its own, each with its id in a file.
BROOD = """
sh -c 'echo $$ > {told}/child.new; mv {told}/child.new {told}/child; {deaf} exec sleep 61' &
setsid sh -c '{deaf} echo $$ > {told}/far.new; mv {told}/far.new {told}/far; exec sleep 62' &
until [ -e {told}/child -a -e {told}/far ]; do sleep 0.02; done
echo $$ > {told}/self
"""
DEAF = "trap '' TERM;"


def brood(told: Path, after: str, deaf: str = "") -> Entrypoint:
    """A shell that starts its brood and goes on with `after`."""
    return Entrypoint.from_command("sh", "-c", BROOD.format(told=told, deaf=deaf) + after)


def pids(told: Path) -> list[int]:
    return [int(heard(told / name)) for name in ("self", "child", "far")]


@pytest.mark.parametrize("code", [0, 1])
def test_what_a_task_leaves_behind_ends_with_it(client: IrisClient, tmp_path: Path, code: int) -> None:
    """Before the job is told to have ended, however it did."""
    job = client.submit(name="leaves", entrypoint=brood(tmp_path, f"exit {code}"))
    job.wait(timeout=LIMIT, raise_on_failure=False)
    assert all_gone(pids(tmp_path))


def test_a_crash_takes_all_along(client: IrisClient, tmp_path: Path) -> None:
    """SIGKILL of the first process is the end of the others."""
    job = client.submit(name="crashes", entrypoint=brood(tmp_path, "kill -SEGV $$"))
    job.wait(timeout=LIMIT, raise_on_failure=False)
    assert all_gone(pids(tmp_path))


def test_terminating_asks_first(client: IrisClient, tmp_path: Path) -> None:
    """A task that heeds SIGTERM ends at once, by its own way, and its cause is the order."""
    after = f"trap 'touch {tmp_path}/asked; exit 0' TERM; touch {tmp_path}/up; while :; do sleep 0.02; done"
    job = client.submit(name="heeds", entrypoint=brood(tmp_path, after))
    wait_for_condition((tmp_path / "up").exists)
    began = time.monotonic()
    job.terminate()
    status = job.wait(timeout=LIMIT, raise_on_failure=False)
    assert time.monotonic() - began < 4
    assert (tmp_path / "asked").exists()
    assert status.state is JobState.KILLED
    assert status.cause is not None
    assert status.cause.kind is CauseKind.CANCELLED
    assert all_gone(pids(tmp_path))


def test_who_does_not_heed_is_killed_after_the_grace(processes: IrisClient, tmp_path: Path) -> None:
    """The whole brood is deaf; the job lives until the last is gone, and no longer than 3 s and some."""
    after = f"trap 'touch {tmp_path}/asked' TERM; touch {tmp_path}/up; while :; do sleep 0.02; done"
    job = processes.submit(name="deaf", entrypoint=brood(tmp_path, after, DEAF))
    wait_for_condition((tmp_path / "up").exists)
    began = time.monotonic()
    job.terminate()
    wait_for_condition((tmp_path / "asked").exists, timeout=3)
    assert not job.state.ended
    assert is_alive(pids(tmp_path)[0])
    status = job.wait(timeout=LIMIT, raise_on_failure=False)
    assert 2.5 < time.monotonic() - began < 7
    assert status.state is JobState.KILLED
    assert all_gone(pids(tmp_path))


def test_shutting_down_leaves_no_process(runtime: str, tmp_path: Path) -> None:
    """Of what still runs at the end of the cluster."""
    with IrisClient.local(runtime) as client:
        client.submit(name="runs", entrypoint=brood(tmp_path, "exec sleep 60"))
        running = pids(tmp_path)
    assert all_gone(running)


def test_a_killed_supervisor_leaves_no_process(processes: IrisClient, tmp_path: Path) -> None:
    """The attempt is the platform's loss, and is tried again."""

    def task(told: Path) -> None:
        if (told / "second").exists():
            return
        (told / "second").touch()
        tell(told / "pids", [os.getpid(), os.getppid()])
        signal.pause()

    job = processes.submit(name="lost", entrypoint=Entrypoint.from_callable(task, tmp_path))
    own, supervisor = heard(tmp_path / "pids")
    os.kill(supervisor, signal.SIGKILL)
    job.wait(timeout=LIMIT)
    first, _ = job.status().tasks[0].attempts
    assert first.cause is not None
    assert first.cause.kind in (CauseKind.WORKER_LOST, CauseKind.KILLED_OUTSIDE)
    assert not is_alive(own)


KILLED = """
import sys
from iris.client import IrisClient
from iris.cluster.types import Entrypoint

client = IrisClient.local(sys.argv[1])
client.submit(name="runs", entrypoint=Entrypoint.from_command("sh", "-c", sys.argv[2]))
sys.stdin.read()
"""


def test_a_temporary_cluster_that_is_killed_leaves_no_process(runtime: str, tmp_path: Path) -> None:
    """Nobody would come back for what it ran."""
    script = BROOD.format(told=tmp_path, deaf="") + "exec sleep 60"
    command = [sys.executable, "-c", KILLED, runtime, script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as cluster:
        running = pids(tmp_path)
        cluster.kill()
    wait_for_condition(lambda: all_gone(running), timeout=10)
