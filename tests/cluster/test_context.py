"""A handler sees the job that started its server, at any depth, and nobody writes to os.environ."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from iris.actor import ActorClient, ActorServer
from iris.client import IrisClient, get_iris_ctx, iris_ctx
from iris.client.job import Job
from iris.client.resolver import ClusterResolver
from iris.cluster.types import Entrypoint
from iris.managed_thread import get_thread_registry
from iris_api.testing import wait_for_condition
from tests.cluster.kit import LIMIT, Caller, Witness, heard, host

HOWS = ["managed", "raw", "executor", "raw in executor"]


def serve(client: IrisClient, name: str, kind: type[Witness], told: Path) -> Job:
    """A job that serves an actor under a cluster-wide name, and is up."""
    ready = told / name
    job = client.submit(name=name, entrypoint=Entrypoint.from_callable(host, f"/{name}", kind, ready))
    heard(ready)
    return job


def test_two_jobs_handlers_each_see_their_own(client: IrisClient, tmp_path: Path) -> None:
    """Callable, server, handler, a thread of its making, another job's handler, a thread of that."""
    outer, inner = serve(client, "outer", Caller, tmp_path), serve(client, "inner", Witness, tmp_path)
    caller = ActorClient(ClusterResolver(client.address), "/outer")
    for how in HOWS:
        seen = caller.see_both(how, "/inner")
        for job, (job_id, task_id, uid, controller) in zip((outer, inner), seen, strict=True):
            (attempt,) = job.status().tasks[0].attempts
            assert (job_id, task_id, uid) == (job.job_id, f"{job.job_id}:0", attempt.uid), how
            assert controller == client.address


def test_replicas_of_one_job_each_see_their_own(client: IrisClient, tmp_path: Path) -> None:
    """Two tasks of one process differ in their handlers too."""

    def task() -> None:
        from iris.client import iris_ctx

        host("witness", Witness, tmp_path / str(iris_ctx().task_index))

    job = client.submit(name="two", entrypoint=Entrypoint.from_callable(task), replicas=2)
    told = {tuple(heard(tmp_path / str(index))) for index in range(2)}
    pool = client.resolver(job).lookup("witness")
    pool.wait_for_size(2, timeout=LIMIT)
    assert {tuple(result.value) for result in pool.broadcast().see("raw").wait_all()} == told


def test_the_caller_outside_stays_outside(client: IrisClient, tmp_path: Path) -> None:
    """A call into a job makes nobody else a part of it."""
    job = serve(client, "witness", Witness, tmp_path)
    assert ActorClient(client.resolver(job), "/witness").see("raw")[0] == job.job_id
    assert get_iris_ctx() is None


@pytest.mark.parametrize("how", HOWS)
def test_a_thread_of_a_handler_submits_a_child(client: IrisClient, tmp_path: Path, how: str) -> None:
    """Who it is also decides whose child a job becomes."""
    job = serve(client, "maker", Maker, tmp_path)
    assert ActorClient(client.resolver(job), "/maker").make(how) == f"{job.job_id}/child"


class Maker(Witness):
    """An actor that submits jobs."""

    def make(self, how: str) -> str:
        from iris.client import iris_ctx
        from tests.cluster.kit import run_in

        def submit() -> str:
            child = iris_ctx().client.submit(name="child", entrypoint=Entrypoint.from_command("true"))
            child.wait(timeout=LIMIT)
            return child.job_id

        return str(run_in(how, submit))


@pytest.mark.parametrize("runtime", ["local", "process"])
def test_a_whole_run_writes_nothing_to_the_environment(runtime: str) -> None:
    """No call of putenv or unsetenv from the first import to the last shutdown, and nothing changed."""
    script = Path(__file__).with_name("audited_run.py")
    ran = subprocess.run(
        [sys.executable, str(script), runtime],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "jobs: 5, writes: 0"


def test_threads_of_a_thread_task_end_with_it() -> None:
    """A server, a registration and a loop that a thread task leaves running are stopped when it returns,
    and what other tasks share with it goes on."""

    def leave_everything() -> None:
        ActorServer().serve_background()
        iris_ctx().registry.register("left", "localhost:1")
        get_thread_registry().container.spawn_loop(lambda stop: stop.wait(), name="left-loop")

    def names() -> set[str]:
        return {thread.name for thread in threading.enumerate()}

    with IrisClient.local(runtime="local") as client:
        for number in range(3):
            entry = Entrypoint.from_callable(leave_everything)
            client.submit(name=f"leaves-{number}", entrypoint=entry).wait(timeout=20)
        wait_for_condition(
            lambda: not [name for name in names() if name.startswith(("actor-server", "endpoint", "left"))],
            timeout=5,
            message="the tasks' threads to end",
        )
