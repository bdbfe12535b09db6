"""Why a job ended: one typed cause, on a real cluster."""

from __future__ import annotations

import getpass
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from iris.client import IrisClient, JobFailedError, iris_ctx
from iris.cluster.types import Cause, CauseKind, Entrypoint, JobState, ResourceSpec, TaskState
from iris_api.testing import wait_for_condition
from tests.cluster.kit import LIMIT, heard, park, tell


def failure(client: IrisClient, entrypoint: Entrypoint, **options: float) -> JobFailedError:
    job = client.submit(name="ends", entrypoint=entrypoint, **options)  # type: ignore[arg-type]
    with pytest.raises(JobFailedError) as caught:
        job.wait(timeout=LIMIT)
    return caught.value


def cause_of(error: JobFailedError) -> Cause:
    assert error.cause is not None
    return error.cause


def test_exit_code_of_a_command(client: IrisClient) -> None:
    """With the last lines of both streams, in the error's text too."""
    error = failure(client, Entrypoint.from_command("sh", "-c", "seq 100; echo why >&2; exit 3"))
    cause = cause_of(error)
    assert (error.state, cause.kind, cause.exit_code) == (JobState.FAILED, CauseKind.EXIT, 3)
    assert {"100", "why"} <= set(cause.last_lines)
    assert len(cause.last_lines) <= 50
    assert "  | why" in str(error)
    assert f"{error.job_id}:0" == error.task_id


def test_exit_code_of_a_callable(client: IrisClient) -> None:
    """sys.exit is what it is in a program."""
    cause = cause_of(failure(client, Entrypoint.from_callable(sys.exit, 7)))
    assert (cause.kind, cause.exit_code) == (CauseKind.EXIT, 7)


def test_exception(client: IrisClient) -> None:
    """Its own line is the message, its traceback the last lines."""

    def task() -> None:
        raise LookupError("no such shard")

    error = failure(client, Entrypoint.from_callable(task))
    cause = cause_of(error)
    assert cause.kind is CauseKind.EXCEPTION
    assert "LookupError: no such shard" in cause.message
    assert any("Traceback" in line for line in cause.last_lines)
    assert "Traceback" in str(error)


def test_command_that_is_not_there(client: IrisClient) -> None:
    """As in a shell, and with its name."""
    cause = cause_of(failure(client, Entrypoint.from_command("no-such-program")))
    assert (cause.kind, cause.exit_code) == (CauseKind.EXIT, 127)
    assert "no-such-program" in " ".join(cause.last_lines)


def test_signal_of_its_own(processes: IrisClient) -> None:
    """A crash is the user's failure."""

    def task() -> None:
        os.kill(os.getpid(), signal.SIGSEGV)

    cause = cause_of(failure(processes, Entrypoint.from_callable(task)))
    assert (cause.kind, cause.signal) == (CauseKind.SIGNAL, signal.SIGSEGV)
    assert "SIGSEGV" in cause.message


def test_kill_that_nobody_ordered_is_the_platforms(processes: IrisClient, tmp_path: Path) -> None:
    """It is retried without the user's budget, and the second attempt succeeds."""
    script = f"[ -e {tmp_path}/again ] || {{ touch {tmp_path}/again; kill -9 $$; }}"
    job = processes.submit(name="killed", entrypoint=Entrypoint.from_command("sh", "-c", script))
    job.wait(timeout=LIMIT)
    first, second = job.status().tasks[0].attempts
    assert first.state is TaskState.WORKER_FAILED
    assert first.cause is not None
    assert first.cause.kind is CauseKind.KILLED_OUTSIDE
    assert second.state is TaskState.SUCCEEDED


def test_kills_beyond_the_platforms_budget(processes: IrisClient) -> None:
    """Every retry path has an end."""
    entry = Entrypoint.from_command("sh", "-c", "kill -9 $$")
    error = failure(processes, entry, max_retries_preemption=1)
    assert (error.state, cause_of(error).kind) == (JobState.WORKER_FAILED, CauseKind.KILLED_OUTSIDE)
    assert len(processes.status(error.job_id).tasks[0].attempts) == 2


def test_timeout(client: IrisClient) -> None:
    """Counted from the start; the message says how long."""
    error = failure(client, Entrypoint.from_callable(park), timeout=0.3)
    assert cause_of(error).kind is CauseKind.TIMEOUT
    assert "0.3" in cause_of(error).message
    assert error.state is JobState.FAILED


def test_timeout_of_a_command(client: IrisClient) -> None:
    """A process group on both runtimes."""
    error = failure(client, Entrypoint.from_command("sleep", "60"), timeout=0.3)
    assert cause_of(error).kind is CauseKind.TIMEOUT


def test_cancelled_by_a_user(client: IrisClient) -> None:
    """Who is named."""
    job = client.submit(name="parks", entrypoint=Entrypoint.from_callable(park))
    job.terminate()
    with pytest.raises(JobFailedError) as caught:
        job.wait(timeout=LIMIT)
    cause = cause_of(caught.value)
    assert (caught.value.state, cause.kind) == (JobState.KILLED, CauseKind.CANCELLED)
    assert getpass.getuser() in cause.by
    assert cause.by in cause.message


def test_cancelled_by_a_task(client: IrisClient) -> None:
    """The task is named."""

    def parent() -> None:
        child = iris_ctx().client.submit(name="child", entrypoint=Entrypoint.from_callable(park))
        child.terminate()
        child.wait(timeout=LIMIT, raise_on_failure=False)

    root = client.submit(name="root", entrypoint=Entrypoint.from_callable(parent))
    root.wait(timeout=LIMIT)
    cause = client.status(f"{root.job_id}/child").cause
    assert cause is not None
    assert cause.by == f"task {root.job_id}:0"


def test_sibling_failed(client: IrisClient, tmp_path: Path) -> None:
    """One failure more than allowed ends the others, which say so; the job's cause is the failure."""

    def task() -> None:
        if iris_ctx().task_index == 1:
            tell(tmp_path / "up", True)
            park()
        heard(tmp_path / "up")
        raise ValueError("first")

    job = client.submit(name="two", entrypoint=Entrypoint.from_callable(task), replicas=2)
    with pytest.raises(JobFailedError, match="ValueError: first") as caught:
        job.wait(timeout=LIMIT)
    assert caught.value.task_id == f"{job.job_id}:0"
    tasks = job.status().tasks
    assert [task.state for task in tasks] == [TaskState.FAILED, TaskState.KILLED]
    assert tasks[1].cause is not None
    assert tasks[1].cause.kind is CauseKind.SIBLING_FAILED


def test_tolerated_failures(client: IrisClient) -> None:
    """As many as max_task_failures do not fail the job."""

    def task() -> None:
        if iris_ctx().task_index == 0:
            raise ValueError("tolerated")

    job = client.submit(
        name="two", entrypoint=Entrypoint.from_callable(task), replicas=3, max_task_failures=1
    )
    assert job.wait(timeout=LIMIT).task_counts[TaskState.FAILED] == 1


def test_retries_of_failures(client: IrisClient, tmp_path: Path) -> None:
    """A budget of two pays for two, each attempt with its own cause and uid."""

    def task() -> None:
        (tmp_path / iris_ctx().attempt_uid).touch()
        if len(list(tmp_path.iterdir())) < 3:
            raise ValueError("again")

    job = client.submit(name="retries", entrypoint=Entrypoint.from_callable(task), max_retries_failure=2)
    job.wait(timeout=LIMIT)
    attempts = job.status().tasks[0].attempts
    assert [attempt.number for attempt in attempts] == [0, 1, 2]
    assert {attempt.uid for attempt in attempts} == {path.name for path in tmp_path.iterdir()}
    assert [attempt.cause and attempt.cause.kind for attempt in attempts] == [
        CauseKind.EXCEPTION,
        CauseKind.EXCEPTION,
        None,
    ]


def test_no_pool_can_ever_satisfy_it(client: IrisClient) -> None:
    """UNSCHEDULABLE at once, with the reason."""
    began = time.monotonic()
    job = client.submit(
        name="huge", entrypoint=Entrypoint.from_command("true"), resources=ResourceSpec(cpu=10_000)
    )
    with pytest.raises(JobFailedError, match=r"10000 cpu") as caught:
        job.wait(timeout=LIMIT)
    assert time.monotonic() - began < 2
    assert caught.value.state is JobState.UNSCHEDULABLE
    assert cause_of(caught.value).kind is CauseKind.UNSCHEDULABLE


def test_no_place_in_time(runtime: str, tmp_path: Path) -> None:
    """While it waits it says for what; after scheduling_timeout that is its cause."""
    config = tmp_path / "iris.toml"
    config.write_text(
        f'[pools.default]\nplatform = "local"\nruntime = "{runtime}"\nresources = {{ cpu = 1 }}\n'
    )
    with IrisClient.local(config=config) as client:
        one = ResourceSpec(cpu=1)
        park_here = Entrypoint.from_callable(park)
        holds = client.submit(name="holds", entrypoint=park_here, resources=one)
        wait_for_condition(lambda: holds.state is JobState.RUNNING)
        waits = client.submit(name="waits", entrypoint=park_here, resources=one, scheduling_timeout=0.5)
        assert "no worker of pool default has 1 cpu free" in waits.status().tasks[0].pending_reason
        with pytest.raises(JobFailedError, match="no worker of pool default has 1 cpu free") as caught:
            waits.wait(timeout=LIMIT)
        assert caught.value.state is JobState.UNSCHEDULABLE


def test_a_wait_that_runs_out_says_what_it_saw(client: IrisClient) -> None:
    """The job goes on."""
    job = client.submit(name="parks", entrypoint=Entrypoint.from_callable(park))
    with pytest.raises(TimeoutError, match=rf"{job.job_id} has not ended within 0.2 s: (PENDING|RUNNING)"):
        job.wait(timeout=0.2)
    assert not job.state.ended
