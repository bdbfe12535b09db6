"""The commands against a cluster that ``iris up`` runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from iris_api.testing import wait_for_condition
from tests.cli.conftest import Iris


def test_a_job_from_start_to_end(iris: Iris, address: str) -> None:
    """run streams both outputs and exits with the command's status; the other commands show the job."""
    at = ("--controller", address)
    script = "echo out of $MODE; echo err >&2; exit 3"
    ran = iris("run", *at, "--name", "first", "-e", "MODE=test", "--", "sh", "-c", script)
    assert ran.returncode == 3
    assert ran.stdout == "out of test\n"
    assert "err\n" in ran.stderr
    assert "exited with code 3" in ran.stderr
    job_id = ran.stderr.split()[2]

    listed = iris("jobs", *at)
    assert "first" in listed.stdout
    assert "FAILED" in listed.stdout
    shown = iris("job", *at, job_id).stdout
    assert f"{job_id}:0" in shown
    assert "exit code 3" in shown
    assert "| out of test" in shown
    assert iris("logs", *at, job_id).stdout == "out of test\n"
    assert "healthy" in iris("workers", *at).stdout


def test_replicas_say_who_speaks(iris: Iris, address: str) -> None:
    """With several tasks each line names its task."""
    ran = iris("run", "--controller", address, "--replicas", "2", "--", "sh", "-c", "echo $IRIS_TASK_INDEX")
    assert ran.returncode == 0
    assert sorted(ran.stdout.splitlines()) == ["[0] 0", "[1] 1"]


def test_following_and_stopping(iris: Iris, address: str) -> None:
    """stop ends a running job, and a follower of its logs ends with it."""
    at = ("--controller", address)
    ran = iris("run", *at, "--detach", "--", "sh", "-c", "echo started; exec sleep 60")
    job_id = ran.stdout.strip()
    with subprocess.Popen(
        [sys.executable, "-m", "iris", "logs", "-f", *at, job_id], stdout=subprocess.PIPE, text=True
    ) as follower:
        assert follower.stdout is not None
        assert follower.stdout.readline() == "started\n"
        assert "is being ended" in iris("stop", *at, job_id).stdout
        assert follower.wait(timeout=20) == 0
    assert "KILLED" in iris("jobs", *at).stdout
    assert "had ended already" in iris("stop", *at, job_id).stdout


def test_an_unknown_job(iris: Iris, address: str) -> None:
    """An id that nobody has is one clear line."""
    refused = iris("job", "--controller", address, "nobody")
    assert refused.returncode == 2
    assert "nobody" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_wrong_token(iris: Iris, address: str) -> None:
    """Another user is refused."""
    refused = iris("jobs", "--controller", address, IRIS_TOKEN="wrong")
    assert refused.returncode == 2
    assert "token" in refused.stderr


def _hear_interrupts() -> None:
    """As at a terminal: what a shell starts in the background ignores them, and so does all below it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_interrupting_run_ends_the_job(iris: Iris, address: str) -> None:
    """Ctrl+C ends the job and exits with 130."""
    with subprocess.Popen(
        [sys.executable, "-m", "iris", "run", "--controller", address, "--", "sh", "-c", "echo up; sleep 60"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hear_interrupts,
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "up\n"
        run.send_signal(signal.SIGINT)
        assert run.wait(timeout=20) == 130
    wait_for_condition(lambda: "KILLED" in iris("jobs", "--controller", address).stdout, timeout=10)


def test_a_worker_of_its_own(iris: Iris, address: str) -> None:
    """``iris worker`` joins a cluster, and takes its tasks along when it ends."""
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "iris", "worker", "--id", "extra", "--controller", address],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=os.environ["XDG_STATE_HOME"],
    ) as worker:
        wait_for_condition(lambda: "extra" in iris("workers", "--controller", address).stdout, timeout=15)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=20) == 0


def test_a_job_that_is_tried_again(iris: Iris, address: str, tmp_path: Path) -> None:
    """run tells of each failure on the way, and at the end why it was in vain; job shows the same."""
    at = ("--controller", address)
    ran = iris("run", *at, "--retries", "2", "--", "sh", "-c", "echo out; exit 3")
    assert ran.returncode == 3
    assert ran.stdout == "out\n" * 3
    said = [line for line in ran.stderr.splitlines() if line.endswith("; it is tried again")]
    assert [line.partition(" attempt ")[2].split()[0] for line in said] == ["0", "1"]
    assert all(": FAILED after 0." in line and ": task exited with code 3;" in line for line in said)
    assert "  cause   exit, exit code 3, memory peak" in ran.stderr
    job_id = ran.stderr.split()[2]
    shown = iris("job", *at, job_id).stdout
    assert len([line for line in shown.splitlines() if line.startswith("  before  attempt ")]) == 2
    assert shown.endswith("last lines of output:\n  | out\n")
    told = json.loads(iris("job", *at, "--json", job_id).stdout)
    assert (told["state"], told["cause"]["exit_code"]) == ("FAILED", 3)
    assert [attempt["cause"]["exit_code"] for attempt in told["tasks"][0]["attempts"]] == [3, 3, 3]


def test_a_job_that_failed_and_goes_on(iris: Iris, address: str, tmp_path: Path) -> None:
    """job tells why it is trying again, though it has not ended."""
    at = ("--controller", address)
    script = f"[ -e {tmp_path}/again ] && exec sleep 60; touch {tmp_path}/again; echo why; exit 3"
    job_id = iris("run", *at, "--detach", "--retries", "1", "--", "sh", "-c", script).stdout.strip()
    wait_for_condition(lambda: "last failure" in iris("job", *at, job_id).stdout, timeout=20)
    shown = iris("job", *at, job_id).stdout
    assert f"last failure: {job_id}:0, attempt 0 on " in shown
    assert shown.endswith("task exited with code 3\n  | why\n")
    iris("stop", *at, job_id)


def test_a_worker_that_was_replaced(iris: Iris, address: str, tmp_path: Path) -> None:
    """A second process with its id and another directory takes over; the first ends and says why."""
    argv = [sys.executable, "-m", "iris", "worker", "--id", "extra", "--controller", address, "--directory"]
    with subprocess.Popen([*argv, str(tmp_path / "one")], stderr=subprocess.PIPE, text=True) as first:
        wait_for_condition(lambda: "extra" in iris("workers", "--controller", address).stdout, timeout=30)
        with subprocess.Popen([*argv, str(tmp_path / "two")]) as second:
            _, said = first.communicate(timeout=40)
            second.send_signal(signal.SIGTERM)
    assert first.returncode == 2
    assert "iris: worker extra has ended: " in said
    assert "runs in a newer process" in said
