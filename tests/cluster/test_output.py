"""What tasks say, from their pipes and loggers to the client."""

from __future__ import annotations

import itertools
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from iris.client import IrisClient, LogEntry, iris_ctx
from iris.client.job import Job
from iris.cluster.types import Constraint, Entrypoint
from iris_api.testing import wait_for_condition
from tests.cluster.kit import LIMIT, heard, park, tell


def lines(job: Job, source: str) -> list[str]:
    return [entry.data for entry in entries(job) if entry.source == source]


def entries(job: Job, index: int = 0) -> list[LogEntry]:
    return list(job.tasks()[index].logs())


def test_a_commands_output_is_complete_when_its_end_is_told(client: IrisClient) -> None:
    """Both streams apart and in order, the last line without a newline too, on both runtimes."""
    script = "i=0; while [ $i -lt 2000 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done; printf 'the end'"
    job = client.submit(name="talks", entrypoint=Entrypoint.from_command("sh", "-c", script))
    job.wait(timeout=LIMIT)
    assert lines(job, "stdout") == [*(f"out {i}" for i in range(2000)), "the end"]
    assert lines(job, "stderr") == [f"err {i}" for i in range(2000)]


def test_a_callables_output_is_complete_when_its_end_is_told(processes: IrisClient) -> None:
    """As that of a command; what it prints, writes to its descriptors, and has others print."""

    def task() -> None:
        print("printed")
        print("to stderr", file=sys.stderr)
        os.write(1, b"written\n")
        subprocess.run(["echo", "by a child"], check=True)
        logging.getLogger("any").warning("logged")
        print("no newline", end="")

    job = processes.submit(name="talks", entrypoint=Entrypoint.from_callable(task))
    job.wait(timeout=LIMIT)
    assert lines(job, "stdout") == ["printed", "written", "by a child", "no newline"]
    assert lines(job, "stderr") == ["to stderr", "logged"]


def test_lines_are_stamped_in_order_and_in_the_jobs_time(processes: IrisClient) -> None:
    """A stream's times never go back, and lie between submit and end."""
    began = time.time()
    script = "for i in 1 2 3 4 5; do echo $i; done; read -t 0.3 x </dev/zero; echo later"
    job = processes.submit(name="talks", entrypoint=Entrypoint.from_command("bash", "-c", script))
    job.wait(timeout=LIMIT)
    times = [entry.timestamp.timestamp() for entry in entries(job) if entry.source == "stdout"]
    assert len(times) == 6
    assert times == sorted(times)
    assert began <= times[0] <= times[-1] <= time.time()
    assert times[-1] - times[0] > 0.2


def test_output_is_seen_while_the_task_runs(client: IrisClient, tmp_path: Path) -> None:
    """A follower gets a line before the task ends, and ends with the task."""
    script = f"echo first; until [ -e {tmp_path}/go ]; do sleep 0.02; done; echo last"
    job = client.submit(name="waits", entrypoint=Entrypoint.from_command("sh", "-c", script))
    follow = job.tasks()[0].logs(follow=True)
    assert next(follow).data == "first"
    (tmp_path / "go").touch()
    assert [entry.data for entry in follow] == ["last"]


def test_wait_streams_the_logs(client: IrisClient, capsys: pytest.CaptureFixture[str]) -> None:
    """Each stream to its own."""
    entry = Entrypoint.from_command("sh", "-c", "echo out; echo err >&2")
    client.submit(name="talks", entrypoint=entry).wait(timeout=LIMIT, stream_logs=True)
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("out\n", "err\n")


def test_output_over_the_quota_has_a_mark(processes: IrisClient) -> None:
    """The beginning and the last lines stay, with a word on what is missing between."""
    script = "echo first; head -c 70000000 /dev/zero | tr '\\0' x | fold -w 60000; echo; echo last"
    job = processes.submit(name="floods", entrypoint=Entrypoint.from_command("sh", "-c", script))
    job.wait(timeout=LIMIT)
    kept = entries(job)
    assert kept[0].data == "first"
    assert kept[-1].data == "last"
    assert sum("[iris: output truncated" in entry.data for entry in kept) >= 1
    assert 55e6 < sum(len(entry.data) for entry in kept) < 70e6


def test_every_attempt_has_its_output(processes: IrisClient, tmp_path: Path) -> None:
    """All in order, or one by its uid."""
    script = (
        f"if [ -e {tmp_path}/again ]; then echo second; else touch {tmp_path}/again; echo first; exit 1; fi"
    )
    job = processes.submit(
        name="retries", entrypoint=Entrypoint.from_command("sh", "-c", script), max_retries_failure=1
    )
    job.wait(timeout=LIMIT)
    assert lines(job, "stdout") == ["first", "second"]
    second = job.status().tasks[0].attempts[1].uid
    assert [entry.data for entry in job.tasks()[0].logs(attempt=second)] == ["second"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_output_is_readable_after_its_worker_is_gone(
    processes: IrisClient, tmp_path: Path, how: signal.Signals
) -> None:
    """A worker of another process ran the task, and ended or was killed."""
    command = [sys.executable, "-m", "iris", "worker", "--id", "extra", "--controller", processes.address]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as worker:
        wait_for_condition(
            lambda: any(known.worker_id == "extra" for known in processes.list_workers()), timeout=LIMIT
        )
        job = processes.submit(
            name="talks",
            entrypoint=Entrypoint.from_command("sh", "-c", "echo here; printf there >&2"),
            constraints=[Constraint("slice", "EQ", "extra")],
        )
        job.wait(timeout=LIMIT)
        worker.send_signal(how)
        worker.wait(timeout=LIMIT)
    assert job.status().tasks[0].attempts[0].worker_id == "extra"
    assert sorted(entry.data for entry in entries(job)) == ["here", "there"]


def test_a_threads_records_are_its_entries_and_nobody_elses(threads: IrisClient, tmp_path: Path) -> None:
    """Of any logger, also from threads below it; two tasks at the same time do not mix."""

    def task() -> None:
        ctx = iris_ctx()
        index = ctx.task_index
        tell(tmp_path / str(index), True)
        heard(tmp_path / str(1 - index))
        logging.getLogger(f"iris.container.{ctx.task_id}").info("own %d", index)
        logging.getLogger("some.module").info("library %d", index)
        logging.getLogger().warning("root %d", index)
        thread = threading.Thread(target=lambda: logging.getLogger("raw").error("raw %d", index))
        thread.start()
        thread.join()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(logging.getLogger("pool").info, "pool %d", index).result()

    job = threads.submit(name="logs", entrypoint=Entrypoint.from_callable(task), replicas=2)
    job.wait(timeout=LIMIT)
    logging.getLogger("some.module").warning("outside")
    for index in range(2):
        found = entries(job, index)
        assert {entry.source for entry in found} == {"log"}
        assert [entry.data for entry in found] == [
            f"own {index}",
            f"INFO some.module: library {index}",
            f"WARNING root: root {index}",
            f"ERROR raw: raw {index}",
            f"INFO pool: pool {index}",
        ]
        times = [entry.timestamp for entry in found]
        assert all(first <= second for first, second in itertools.pairwise(times))


def test_records_of_the_cluster_itself_are_no_tasks(threads: IrisClient) -> None:
    """What controller and worker log in the same process while a task runs is not its output."""

    def task() -> None:
        logging.getLogger("task").info("mine")
        iris_ctx().client.submit(name="c", entrypoint=Entrypoint.from_command("false")).wait(
            LIMIT, raise_on_failure=False
        )

    job = threads.submit(name="parent", entrypoint=Entrypoint.from_callable(task))
    job.wait(timeout=LIMIT)
    assert [entry.data for entry in entries(job)] == ["INFO task: mine"]


def test_a_threads_prints_flow_to_the_parent(threads: IrisClient, capsys: pytest.CaptureFixture[str]) -> None:
    """There is no redirection: sys.stdout is the process's own, and the log has no line of it."""
    stdout = sys.stdout

    def task() -> None:
        print("seen by the parent")

    job = threads.submit(name="prints", entrypoint=Entrypoint.from_callable(task))
    job.wait(timeout=LIMIT)
    assert capsys.readouterr().out == "seen by the parent\n"
    assert sys.stdout is stdout
    assert entries(job) == []


def test_a_threads_traceback_is_in_its_log(threads: IrisClient) -> None:
    """As a process's is on its stderr."""

    def task() -> None:
        raise ValueError("no such shard")

    job = threads.submit(name="raises", entrypoint=Entrypoint.from_callable(task))
    job.wait(timeout=LIMIT, raise_on_failure=False)
    said = "\n".join(lines(job, "stderr"))
    assert re.search(r"Traceback .*ValueError: no such shard", said, re.DOTALL)


def test_a_commands_output_of_a_stopped_job_is_kept(client: IrisClient) -> None:
    """What it said before and at its end."""
    script = "trap 'echo asked; exit 0' TERM; echo up; while :; do sleep 0.02; done"
    job = client.submit(name="stops", entrypoint=Entrypoint.from_command("sh", "-c", script))
    follow = job.tasks()[0].logs(follow=True)
    assert next(follow).data == "up"
    job.terminate()
    assert [entry.data for entry in follow if entry.source == "stdout"] == ["asked"]


def test_parked_threads_log_until_their_end(threads: IrisClient, tmp_path: Path) -> None:
    """What a thread says after it was asked to stop is still its output."""

    def task() -> None:
        tell(tmp_path / "up", True)
        park()
        logging.getLogger("task").info("last words")

    job = threads.submit(name="parks", entrypoint=Entrypoint.from_callable(task))
    heard(tmp_path / "up")
    job.terminate()
    job.wait(timeout=LIMIT, raise_on_failure=False)
    assert [entry.data for entry in entries(job)] == ["INFO task: last words"]
