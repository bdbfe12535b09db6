"""What a task knows of itself: variables of a process, the context of a thread."""

from __future__ import annotations

import os
from pathlib import Path

from iris.client import IrisClient, iris_ctx
from iris.client.job import Job
from iris.cluster.types import Entrypoint
from iris_api.job_info import get_job_info
from tests.cluster.kit import LIMIT, heard, tell


def describe(told: str) -> None:
    """Tells this task's variables, and what iris_ctx says."""
    ctx = iris_ctx()
    variables = {name: text for name, text in os.environ.items() if name.startswith("IRIS_")}
    known = {
        "IRIS_JOB_ID": ctx.job_id,
        "IRIS_TASK_ID": ctx.task_id,
        "IRIS_TASK_INDEX": str(ctx.task_index),
        "IRIS_NUM_TASKS": str(ctx.num_tasks),
        "IRIS_ATTEMPT_UID": ctx.attempt_uid,
        "IRIS_WORKER_ID": ctx.worker_id,
        "IRIS_CONTROLLER_ADDRESS": ctx.controller.address,
        "IRIS_ADVERTISE_HOST": ctx.advertise_host,
        "IRIS_PORT_WEB": str(ctx.get_port("web")),
    }
    tell(Path(told) / str(ctx.task_index), [variables, known])


def submit_two(client: IrisClient, told: Path) -> Job:
    job = client.submit(
        name="two",
        entrypoint=Entrypoint.from_callable(describe, str(told)),
        replicas=2,
        ports=["web"],
    )
    job.wait(timeout=LIMIT)
    return job


def expected(client: IrisClient, job: Job, index: int) -> dict[str, str]:
    task = job.status().tasks[index]
    (attempt,) = task.attempts
    return {
        "IRIS_JOB_ID": job.job_id,
        "IRIS_TASK_ID": f"{job.job_id}:{index}",
        "IRIS_TASK_INDEX": str(index),
        "IRIS_NUM_TASKS": "2",
        "IRIS_ATTEMPT_UID": attempt.uid,
        "IRIS_WORKER_ID": attempt.worker_id,
        "IRIS_CONTROLLER_ADDRESS": client.address,
        "IRIS_ADVERTISE_HOST": "127.0.0.1",
    }


def test_each_task_knows_who_it_is(client: IrisClient, tmp_path: Path) -> None:
    """iris_ctx agrees with what the controller says; every task has a port of its own."""
    job = submit_two(client, tmp_path)
    ports = set()
    for index in range(2):
        _, known = heard(tmp_path / str(index))
        ports.add(known.pop("IRIS_PORT_WEB"))
        assert known == expected(client, job, index)
    assert len(ports) == 2


def test_a_process_has_it_in_its_environment(processes: IrisClient, tmp_path: Path) -> None:
    """The same values; of the token only the file's name."""
    submit_two(processes, tmp_path)
    for index in range(2):
        variables, known = heard(tmp_path / str(index))
        assert known.items() <= variables.items()
        assert "IRIS_TOKEN" not in variables
        assert "IRIS_TOKEN_FILE" in variables


def test_a_thread_has_nothing_in_the_environment(threads: IrisClient, tmp_path: Path) -> None:
    """It is the process's, which is no job."""
    submit_two(threads, tmp_path)
    variables, _ = heard(tmp_path / "0")
    assert variables == {}
    assert get_job_info() is None


def test_a_command_has_it_in_its_environment(client: IrisClient) -> None:
    """On both runtimes."""
    script = "echo $IRIS_JOB_ID $IRIS_TASK_ID $IRIS_CONTROLLER_ADDRESS $IRIS_PORT_WEB"
    job = client.submit(name="says", entrypoint=Entrypoint.from_command("sh", "-c", script), ports=["web"])
    job.wait(timeout=LIMIT)
    (line,) = [entry.data for entry in job.tasks()[0].logs()]
    *identity, port = line.split()
    assert identity == [job.job_id, f"{job.job_id}:0", client.address]
    assert 0 < int(port) < 65536


def test_a_command_that_is_python_is_inside_its_job(client: IrisClient, tmp_path: Path) -> None:
    """It finds controller and token by itself, and what it submits is its child."""
    script = tmp_path / "job.py"
    script.write_text(
        "from iris.client import iris_ctx\n"
        "from iris.cluster.types import Entrypoint\n"
        "child = iris_ctx().client.submit(name='child', entrypoint=Entrypoint.from_command('true'))\n"
        "child.wait(timeout=20)\n"
        "print(child.job_id)\n"
    )
    job = client.submit(name="script", entrypoint=Entrypoint.from_command("python", str(script)))
    job.wait(timeout=LIMIT)
    assert [entry.data for entry in job.tasks()[0].logs()] == [f"{job.job_id}/child"]
