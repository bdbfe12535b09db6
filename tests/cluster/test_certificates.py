"""The death certificate of every kind of end, through the whole stack, of tasks that are processes."""

from __future__ import annotations

import getpass
import os
import pickle
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iris.client import IrisClient, JobFailedError, iris_ctx
from iris.client.certificate import certificate
from iris.client.status import AttemptStatus
from iris.cluster.types import CauseKind, Constraint, Entrypoint, JobState, TaskState
from tests.cluster.conftest import Extra
from tests.cluster.kit import LIMIT, heard, park

STAY = "echo before; echo $$ > {0}.new; mv {0}.new {0}; exec sleep 60"  # and then somebody ends it


def command(script: str) -> Entrypoint:
    return Entrypoint.from_command("sh", "-c", script)


def failed(client: IrisClient, entrypoint: Entrypoint, **options: Any) -> JobFailedError:
    job = client.submit(name="ends", entrypoint=entrypoint, **options)
    with pytest.raises(JobFailedError) as caught:
        job.wait(timeout=LIMIT)
    return caught.value


def facts(error: JobFailedError) -> tuple[Any, ...]:
    """What is proven: kind, exit code, signal."""
    assert error.cause is not None
    return error.cause.kind, error.cause.exit_code, error.cause.signal


def lines(error: JobFailedError) -> tuple[str, ...]:
    assert error.cause is not None
    return error.cause.last_lines


def test_exit(processes: IrisClient) -> None:
    """All of it: cause, code, memory, who ran it, when and for how long, earlier attempts, last 50 lines."""
    script = "seq 100; sleep 0.2; echo why >&2; exit 3"
    error = failed(processes, command(script), max_retries_failure=1)
    assert facts(error) == (CauseKind.EXIT, 3, None)
    assert error.cause is not None
    assert 10**5 < (error.cause.memory_peak or 0) < 10**9
    assert (len(lines(error)), lines(error)[-1]) == (50, "why")
    first, last = error.attempts
    assert (first.number, last.number) == (0, 1)
    (worker,) = processes.list_workers()
    for attempt in (first, last):
        assert attempt.worker_id == worker.worker_id
        assert 0.2 <= (attempt.finished or 0) - (attempt.started or 0) < 20
        assert attempt.cause is not None
        assert attempt.cause.exit_code == 3
    head, task, cause, when, before, *rest = str(error).splitlines()
    assert head == f"job {error.job_id} FAILED: task exited with code 3"
    assert task == f"  task    {error.job_id}:0, attempt 1 on {worker.worker_id}"
    assert cause.startswith("  cause   exit, exit code 3, memory peak ")
    assert when.startswith("  when    20")
    assert " UTC, after 0." in when
    assert before.startswith(f"  before  attempt 0 on {worker.worker_id}: FAILED after 0.")
    assert before.endswith(" s: task exited with code 3")
    assert (rest[0], rest[-1], len(rest)) == ("last lines of output:", "  | why", 51)


def test_exception(processes: IrisClient) -> None:
    def task() -> None:
        raise LookupError("no such shard")

    error = failed(processes, Entrypoint.from_callable(task))
    assert facts(error) == (CauseKind.EXCEPTION, 1, None)
    assert "LookupError: no such shard" in str(error).splitlines()[0]
    assert lines(error)[-1] == "LookupError: no such shard"


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE])
def test_signal_of_its_own(processes: IrisClient, number: signal.Signals) -> None:
    """A crash is the user's failure: their budget pays."""
    error = failed(processes, command(f"echo before; kill -{number} $$"), max_retries_preemption=5)
    assert facts(error) == (CauseKind.SIGNAL, None, number)
    assert (error.state, len(error.attempts)) == (JobState.FAILED, 1)
    assert lines(error) == ("before",)
    assert f"signal {int(number)} ({number.name})" in str(error)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_killed_outside(processes: IrisClient, tmp_path: Path, number: signal.Signals) -> None:
    """By nobody that Iris knows: the platform's fault, whose budget pays for another try."""
    told = tmp_path / "pid"
    job = processes.submit(name="ends", entrypoint=command(STAY.format(told)), max_retries_preemption=1)
    for _ in range(2):
        pid = heard(told)
        told.unlink()
        os.kill(pid, number)
    with pytest.raises(JobFailedError, match=f"killed by {number.name} that Iris did not order") as caught:
        job.wait(timeout=LIMIT)
    assert facts(caught.value) == (CauseKind.KILLED_OUTSIDE, None, number)
    assert (caught.value.state, len(caught.value.attempts)) == (JobState.WORKER_FAILED, 2)
    assert lines(caught.value) == ("before",)


def test_timeout(processes: IrisClient) -> None:
    """The order is the cause, with what the kill and the task have left."""
    error = failed(processes, command("echo before; exec sleep 60"), timeout=0.5)
    assert facts(error) == (CauseKind.TIMEOUT, None, signal.SIGTERM)
    assert "longer than its timeout of 0.5 s" in str(error)
    assert (error.state, lines(error)) == (JobState.FAILED, ("before",))


def test_cancelled(processes: IrisClient, tmp_path: Path) -> None:
    """By whom."""
    job = processes.submit(name="ends", entrypoint=command(STAY.format(tmp_path / "pid")))
    heard(tmp_path / "pid")
    job.terminate()
    with pytest.raises(JobFailedError) as caught:
        job.wait(timeout=LIMIT)
    error = caught.value
    assert facts(error) == (CauseKind.CANCELLED, None, signal.SIGTERM)
    assert error.cause is not None
    assert error.cause.by.startswith(f"{getpass.getuser()}@")
    assert f", by {error.cause.by}" in str(error)
    assert (error.state, lines(error)) == (JobState.KILLED, ("before",))


def test_parent_ended(processes: IrisClient, tmp_path: Path) -> None:
    told = str(tmp_path / "pid")

    def parent() -> None:
        iris_ctx().client.submit(name="child", entrypoint=command(STAY.format(told)))
        heard(Path(told))

    root = processes.submit(name="root", entrypoint=Entrypoint.from_callable(parent))
    root.wait(timeout=LIMIT)
    child = processes.job(f"{root.job_id}/child")
    with pytest.raises(JobFailedError, match=f"of {root.job_id}:0 that submitted it has ended") as caught:
        child.wait(timeout=LIMIT)
    assert facts(caught.value) == (CauseKind.PARENT_ENDED, None, signal.SIGTERM)
    assert (caught.value.state, lines(caught.value)) == (JobState.KILLED, ("before",))


def test_sibling_failed(processes: IrisClient, tmp_path: Path) -> None:
    """The sibling's attempt says so; the job's certificate is that of the task that failed."""
    told = tmp_path / "pid"
    stay, fail = STAY.format(told), f"until [ -e {told} ]; do sleep 0.05; done; exit 5"
    script = f"if [ $IRIS_TASK_INDEX = 0 ]; then {stay}; fi; {fail}"
    error = failed(processes, command(script), replicas=2)
    assert (facts(error), error.task_id) == ((CauseKind.EXIT, 5, None), f"{error.job_id}:1")
    sibling = error.status.tasks[0].attempts[0]
    assert sibling.cause is not None
    assert (sibling.state, sibling.cause.kind) == (TaskState.KILLED, CauseKind.SIBLING_FAILED)
    assert (sibling.cause.signal, sibling.cause.last_lines) == (signal.SIGTERM, ("before",))
    assert f"task {error.job_id}:1 of the job failed: task exited with code 5" in sibling.cause.message


def test_worker_lost(processes: IrisClient, extra: Extra, tmp_path: Path) -> None:
    """A worker that is stopped takes its task along, and says that it was that."""
    told = tmp_path / "pid"
    job = processes.submit(
        name="ends",
        entrypoint=command(STAY.format(told)),
        constraints=[Constraint("slice", "EQ", "extra")],
        max_retries_preemption=0,
    )
    heard(told)
    extra.end(kill=False)
    with pytest.raises(JobFailedError, match="worker extra was stopped") as caught:
        job.wait(timeout=LIMIT)
    assert facts(caught.value) == (CauseKind.WORKER_LOST, None, signal.SIGTERM)
    assert (caught.value.state, lines(caught.value)) == (JobState.WORKER_FAILED, ("before",))
    assert caught.value.attempts[0].worker_id == "extra"


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[IrisClient]:
    """A cluster whose pool names an interpreter that is not there."""
    config = tmp_path / "broken.toml"
    config.write_text(
        '[platforms.bad]\nkind = "process"\npython = "/no/such/python"\n[pools.default]\nruntime = "bad"\n'
    )
    with IrisClient.local(config=config) as client:
        yield client


def test_environment(broken: IrisClient) -> None:
    """Nothing of the user's has run."""
    error = failed(broken, Entrypoint.from_callable(park), max_retries_preemption=0)
    assert error.cause is not None
    assert error.cause.kind is CauseKind.ENVIRONMENT
    assert "cannot run /no/such/python" in str(error)
    assert error.state is JobState.WORKER_FAILED


def test_unschedulable(processes: IrisClient) -> None:
    """It never ran, so there is no attempt to tell of."""
    entry, nowhere = command("true"), [Constraint("pool", "EQ", "none")]
    error = failed(processes, entry, constraints=nowhere)
    assert error.cause is not None
    assert (error.state, error.cause.kind) == (JobState.UNSCHEDULABLE, CauseKind.UNSCHEDULABLE)
    assert (error.attempts, lines(error)) == ((), ())
    assert f"  task    {error.job_id}:0, never placed" in str(error)


def test_an_error_travels(processes: IrisClient) -> None:
    """From a task that waits for a job to the one who waits for that task, by pickle."""
    error = failed(processes, command("echo why; exit 3"))
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.cause, copy.attempts) == (str(error), error.cause, error.attempts)


def test_a_long_history_is_cut(processes: IrisClient) -> None:
    """Five earlier attempts are told of, and how many came before these."""
    error = failed(processes, command("exit 3"))
    (last,) = error.attempts
    many = tuple(AttemptStatus(uid=str(n), number=n, state=last.state, worker_id="w") for n in range(20))
    import attrs

    (task,) = error.status.tasks
    status = attrs.evolve(error.status, tasks=(attrs.evolve(task, attempts=(*many, last)),))
    before = [line for line in certificate(status).splitlines() if line.startswith("  before")]
    assert before[0] == "  before  15 attempts more"
    assert [line.split()[2] for line in before[1:]] == ["15", "16", "17", "18", "19"]
