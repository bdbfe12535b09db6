"""The workspace of a job, and of the jobs below it, is where their processes start."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from iris.client import IrisClient, iris_ctx
from iris.cluster.types import Entrypoint
from tests.cluster.kit import LIMIT, heard, tell


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A checkout with a tracked, an untracked and an ignored file."""
    root = tmp_path / "workspace"
    root.mkdir()
    (root / "tracked.txt").write_text("from the parent\n")
    (root / ".gitignore").write_text("secret.txt\n")
    for command in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    (root / "untracked.txt").write_text("new\n")
    (root / "secret.txt").write_text("stays\n")
    (root / "helper.py").write_text("VALUE = 42\n")
    return root


@pytest.fixture
def with_workspace(runtime: str, workspace: Path) -> Iterator[IrisClient]:
    with IrisClient.local(runtime, workspace=workspace) as client:
        yield client


def output(client: IrisClient, job_id: str) -> list[str]:
    return [entry.data for task in client.job(job_id).tasks() for entry in task.logs()]


def test_a_command_starts_in_the_workspace(with_workspace: IrisClient) -> None:
    """With what git would consider, on both runtimes."""
    job = with_workspace.submit(name="lists", entrypoint=Entrypoint.from_command("sh", "-c", "ls *.txt"))
    job.wait(timeout=LIMIT)
    assert output(with_workspace, job.job_id) == ["tracked.txt", "untracked.txt"]


def test_a_callable_imports_from_the_workspace(workspace: Path, tmp_path: Path) -> None:
    """A process task's modules are those of its workspace."""

    def task() -> None:
        import importlib

        tell(tmp_path / "seen", [importlib.import_module("helper").VALUE, os.listdir()])  # noqa: PTH208

    with IrisClient.local("process", workspace=workspace) as client:
        client.submit(name="imports", entrypoint=Entrypoint.from_callable(task)).wait(timeout=LIMIT)
    value, files = heard(tmp_path / "seen")
    assert value == 42
    assert {"tracked.txt", "untracked.txt"} <= set(files)
    assert "secret.txt" not in files


def test_a_child_has_its_parents_bundle_unless_it_brings_its_own(
    with_workspace: IrisClient, tmp_path: Path
) -> None:
    """Explicit goes before the parent's, to the third generation."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "tracked.txt").write_text("from the child\n")
    show = Entrypoint.from_command("cat", "tracked.txt")

    def child() -> None:
        iris_ctx().client.submit(name="grandchild", entrypoint=show).wait(timeout=LIMIT)

    def parent() -> None:
        ctx = iris_ctx()
        ctx.client.submit(name="inherits", entrypoint=Entrypoint.from_callable(child)).wait(timeout=LIMIT)
        brings = IrisClient.remote(ctx.controller.address, workspace=own)
        brings.submit(name="brings", entrypoint=show).wait(timeout=LIMIT)

    root = with_workspace.submit(name="root", entrypoint=Entrypoint.from_callable(parent))
    root.wait(timeout=LIMIT)
    assert output(with_workspace, f"{root.job_id}/inherits/grandchild") == ["from the parent"]
    assert output(with_workspace, f"{root.job_id}/brings") == ["from the child"]


def test_what_a_task_writes_is_its_own(with_workspace: IrisClient) -> None:
    """Two tasks of one workspace do not see each other's files."""
    command = "ls mine 2>/dev/null; touch mine; cat tracked.txt"
    job = with_workspace.submit(
        name="writes", entrypoint=Entrypoint.from_command("sh", "-c", command), replicas=2
    )
    job.wait(timeout=LIMIT)
    assert output(with_workspace, job.job_id) == ["from the parent"] * 2
