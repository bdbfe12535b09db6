"""Packages of a job, on a whole cluster whose tasks are processes."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from iris.client import IrisClient, JobFailedError, iris_ctx
from iris.client.job import Job
from iris.cluster.types import CauseKind, Entrypoint, EnvironmentSpec, JobState
from tests.cluster.kit import LIMIT
from tests.rigs.wheels import wheel

THING = "./wheels/thing-1.0-py3-none-any.whl"


@pytest.fixture(autouse=True)
def without_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The workers' installer asks none, whatever this machine's settings are."""
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    root = tmp_path / "workspace"
    wheel(root / "wheels", "thing")
    wheel(root / "wheels", "other")
    return root


@pytest.fixture
def processes(workspace: Path) -> Iterator[IrisClient]:
    with IrisClient.local("process", workspace=workspace) as client:
        yield client


def use_thing() -> None:
    import importlib
    import subprocess

    print(importlib.import_module("thing").VERSION)
    print(subprocess.check_output(["thing"], text=True), end="")


def submit(client: IrisClient, name: str, *packages: str, **options: object) -> Job:
    return client.submit(
        name=name,
        entrypoint=Entrypoint.from_callable(use_thing),
        environment=EnvironmentSpec(pip_packages=packages, **options),  # type: ignore[arg-type]
    )


def printed(job: Job, source: str, task: int = 0) -> list[str]:
    return [entry.data for entry in job.tasks()[task].logs() if entry.source == source]


def failure(job: Job) -> JobFailedError:
    with pytest.raises(JobFailedError) as caught:
        job.wait(timeout=LIMIT)
    return caught.value


def test_a_wheel_of_the_workspace_is_there_for_calls_and_programs(processes: IrisClient) -> None:
    """Its installation is in the logs as `build`; the next job finds it installed."""
    first = submit(processes, "first", THING)
    first.wait(timeout=LIMIT)
    assert printed(first, "stdout") == ["1.0", "1.0"]
    begin, *_ = built = printed(first, "build")
    assert "installing 1 requirements into environment" in begin
    assert any("thing" in line for line in built)
    second = submit(processes, "second", THING)
    second.wait(timeout=LIMIT)
    assert printed(second, "stdout") == ["1.0", "1.0"]
    (line,) = printed(second, "build")
    assert f"which {first.job_id}:0 had installed at" in line


def test_the_workspace_s_project_is_asked(processes: IrisClient, workspace: Path) -> None:
    """Its dependencies, and those of the extras that are asked for."""
    (workspace / "pyproject.toml").write_text(
        '[project]\nname = "mine"\nversion = "1"\ndependencies = ["other"]\n'
        '[project.optional-dependencies]\nmore = ["thing"]\n'
    )
    job = submit(
        processes,
        "asks",
        python_packages_from="pyproject",
        extras=("more",),
        env_vars={"PIP_FIND_LINKS": str(workspace / "wheels")},
    )
    job.wait(timeout=LIMIT)
    assert printed(job, "stdout") == ["1.0", "1.0"]
    assert any("other" in line for line in printed(job, "build"))


def test_children_have_their_parent_s_packages(processes: IrisClient) -> None:
    def parent() -> None:
        child = iris_ctx().client.submit(name="child", entrypoint=Entrypoint.from_callable(use_thing))
        child.wait(timeout=LIMIT)

    job = processes.submit(
        name="parent",
        entrypoint=Entrypoint.from_callable(parent),
        environment=EnvironmentSpec(pip_packages=(THING,)),
    )
    job.wait(timeout=LIMIT)
    assert printed(processes.job(f"{job.job_id}/child"), "stdout") == ["1.0", "1.0"]


def test_a_requirement_that_there_is_not(processes: IrisClient) -> None:
    """An environment failure that names the line, and is not tried again; the worker is not held
    responsible."""
    jobs = [submit(processes, name, THING, "nosuch==1") for name in ("first", "second", "third")]
    for job in jobs:
        cause = failure(job).cause
        assert cause is not None
        assert cause.kind is CauseKind.ENVIRONMENT
        start = "the job's environment could not be built: pip_packages[1] 'nosuch==1': "
        assert cause.message.startswith(start)
        assert "nosuch" in cause.message.removeprefix(start)
        status = job.status()
        assert status.state is JobState.WORKER_FAILED
        assert len(status.tasks[0].attempts) == 1
        assert any("nosuch" in line for line in printed(job, "build"))
    assert [worker.state for worker in processes.list_workers()] == ["healthy"]


def test_a_job_that_is_ended_ends_its_installation(processes: IrisClient) -> None:
    """An index that never answers is waited for no longer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        index = f"http://127.0.0.1:{silent.getsockname()[1]}/simple"
        job = submit(processes, "waits", "thing", env_vars={"PIP_INDEX_URL": index, "PIP_NO_INDEX": "0"})
        silent.settimeout(LIMIT)
        asked, _ = silent.accept()
        with asked:
            job.terminate()
            with pytest.raises(JobFailedError):
                job.wait(timeout=LIMIT)
    assert job.status().state is JobState.KILLED


def test_an_image_is_refused_where_there_are_none(processes: IrisClient) -> None:
    cause = failure(submit(processes, "asks", image="python:3.11-slim")).cause
    assert cause is not None
    assert cause.kind is CauseKind.ENVIRONMENT
    assert "asks for image 'python:3.11-slim', and this worker runs tasks as processes" in cause.message


def test_threads_have_no_packages_of_their_own(threads: IrisClient) -> None:
    """The message says where they would be."""
    cause = failure(submit(threads, "asks", "thing")).cause
    assert cause is not None
    assert cause.kind is CauseKind.ENVIRONMENT
    assert "runs tasks with the packages of its own process: submit the job to a pool whose" in cause.message


def test_thirty_tasks_of_a_job_have_it_installed_once(processes: IrisClient) -> None:
    job = processes.submit(
        name="many",
        entrypoint=Entrypoint.from_command("thing"),
        environment=EnvironmentSpec(pip_packages=(THING,)),
        replicas=30,
    )
    job.wait(timeout=LIMIT)
    told = {tuple(entry.data for entry in task.logs() if entry.source == "build") for task in job.tasks()}
    built = [lines for lines in told if "installing 1 requirements" in lines[0]]
    assert len(built) == 1, told
