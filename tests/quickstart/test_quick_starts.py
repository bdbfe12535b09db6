"""The quick starts of the README, as they are written there, against a real controller.

PYTEST_DONT_REWRITE: parts of it run in containers that have no pytest.
"""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path

import pytest

from iris.actor import ActorClient, ActorPool, ActorServer
from iris.actor.resolver import FixedResolver
from iris.client import IrisClient, JobFailedError, WorkerPool, WorkerPoolConfig, get_iris_ctx, iris_ctx
from iris.client.resolver import ClusterResolver
from iris.cluster.types import Entrypoint, EnvironmentSpec, JobId, JobState, ResourceSpec
from iris.managed_thread import (
    ManagedThread,
    ThreadContainer,
    ThreadRegistry,
    get_thread_registry,
    thread_registry_scope,
)
from iris_api.errors import NotInJob


class InferenceActor:
    def predict(self, data: list[int]) -> list[int]:
        return [x * 2 for x in data]


class Calculator:
    def add(self, a: int, b: int) -> int:
        return a + b


def test_submitting_a_job(
    remote_client: IrisClient, runtime: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A callable runs as a job; what a process prints is its log, what a thread prints is the parent's."""

    def my_task() -> None:
        print("Hello from iris!")

    job = remote_client.submit(
        name="my-job",
        entrypoint=Entrypoint.from_callable(my_task),
        resources=ResourceSpec(cpu=1, memory="2GB"),
    )
    job.wait(timeout=30)
    lines = [entry for task in job.tasks() for entry in task.logs()]
    if runtime != "local":
        assert [(entry.source, entry.data) for entry in lines] == [("stdout", "Hello from iris!")]
        assert lines[0].timestamp.tzinfo is not None
    else:
        assert capsys.readouterr().out == "Hello from iris!\n"


def test_serving_and_calling_an_actor_in_a_job(remote_client: IrisClient) -> None:
    """A server in a job is found by name through the controller, one at a time and all at once."""

    def serve_and_call() -> None:
        with ActorServer(host="127.0.0.1") as server:
            server.register("inference", InferenceActor())
            server.serve_background()
            resolver = ClusterResolver(iris_ctx().controller.address)
            pool: ActorPool = resolver.lookup("inference")
            pool.wait_for_size(1)
            assert pool.call().predict([1, 2, 3]) == [2, 4, 6]
            assert [r.value for r in pool.broadcast().predict([1]).wait_all() if r.success] == [[2]]

    remote_client.submit(name="actors", entrypoint=Entrypoint.from_callable(serve_and_call)).wait(timeout=30)


def test_calling_an_actor_at_a_fixed_address() -> None:
    """A stand-alone server and client of one owner need no word about tokens."""
    with ActorServer(host="127.0.0.1") as server:
        server.register("calc", Calculator())
        port = server.serve_background()
        resolver = FixedResolver({"calc": f"http://127.0.0.1:{port}"})
        assert ActorClient(resolver, "calc").add(2, 3) == 5
        assert ActorClient(resolver, "calc").add.remote(2, 3).result(timeout=5) == 5

        async def awaited() -> int:
            return int(await ActorClient(resolver, "calc").add.remote(4, 5))

        assert asyncio.run(awaited()) == 9
        assert ActorClient(FixedResolver([f"http://127.0.0.1:{port}"]), "calc").add(1, 1) == 2


def test_dispatching_calls_to_a_worker_pool(remote_client: IrisClient) -> None:
    """A pool runs calls on the tasks of one job and takes no more after its end."""

    def process_shard(shard: int) -> int:
        return shard * shard

    with WorkerPool(
        remote_client, WorkerPoolConfig(num_workers=10, resources=ResourceSpec(cpu=2)), timeout=30.0
    ) as pool:
        assert pool.submit(process_shard, 3).result(timeout=30) == 9
        assert [future.result(timeout=30) for future in pool.map(process_shard, range(20))] == [
            n * n for n in range(20)
        ]
    with pytest.raises(RuntimeError, match="shutdown"):
        pool.submit(process_shard, 1)


def test_the_context_inside_a_job(remote_client: IrisClient) -> None:
    """A job knows itself, its children, its names and its ports."""

    def child() -> None:
        ctx = iris_ctx()
        assert ctx.parent_job_id == ctx.namespace
        (endpoint,) = ctx.resolver.resolve("calculator")
        assert endpoint.address == "http://localhost:8080"

    def parent() -> None:
        ctx = iris_ctx()
        assert isinstance(ctx.job_id, JobId)
        assert (ctx.namespace, ctx.parent_job_id, ctx.task_index) == (ctx.job_id, None, 0)
        assert 0 < ctx.get_port("actor") < 65536
        ctx.controller.endpoint_registry.register("calculator", "localhost:8080")
        assert ctx.registry is not None
        job = ctx.client.submit(name="child", entrypoint=Entrypoint.from_callable(child))
        assert job.job_id == f"{ctx.job_id}/child"
        job.wait(timeout=30)

    job = remote_client.submit(
        name="family",
        entrypoint=Entrypoint.from_callable(parent),
        ports=["actor"],
        environment=EnvironmentSpec(env_vars={"MODE": "fast"}),
    )
    job.wait(timeout=60)


def test_outside_a_job_there_is_no_context() -> None:
    """get_iris_ctx answers None where iris_ctx raises."""
    assert get_iris_ctx() is None
    with pytest.raises(NotInJob, match="outside a job"):
        iris_ctx()


def test_a_failed_job_says_why(remote_client: IrisClient, runtime: str) -> None:
    """wait raises the one cause with the last lines of output."""

    def fail() -> None:
        print("about to fail")
        raise ValueError("no such shard")

    job = remote_client.submit(name="fails", entrypoint=Entrypoint.from_callable(fail))
    with pytest.raises(JobFailedError, match="ValueError: no such shard") as failure:
        job.wait(timeout=30)
    if runtime == "process":
        assert "about to fail" in str(failure.value)
    assert failure.value.state is JobState.FAILED
    assert remote_client.status(job.job_id).cause == failure.value.cause


def test_client_calls(remote_client: IrisClient) -> None:
    """status, list_jobs, terminate and resolver work from outside."""
    job = remote_client.submit(name="sleeper", entrypoint=Entrypoint.from_command("sleep", "60"))
    assert [status.job_id for status in remote_client.list_jobs(prefix="sleeper")] == [job.job_id]
    assert remote_client.resolver(job).resolve("nobody") == ()
    assert remote_client.terminate(job.job_id) == [job.job_id]
    assert job.wait(timeout=30, raise_on_failure=False).state is JobState.KILLED
    assert remote_client.list_jobs(states=["RUNNING"]) == []


def test_threads_are_owned() -> None:
    """The registry's container is the default owner; a scope isolates and stops what it holds."""
    with thread_registry_scope() as registry:
        assert isinstance(registry, ThreadRegistry)
        assert get_thread_registry() is registry
        container: ThreadContainer = registry.container
        thread: ManagedThread = container.spawn(lambda stop: stop.wait(), name="waits")
        assert thread.is_alive()
    assert not thread.is_alive()


def test_the_names_of_the_quick_start_take_threads() -> None:
    """Components take `threads` and fall back to the registry's container."""
    for component in (ActorServer, WorkerPool, IrisClient.local):
        assert inspect.signature(component).parameters["threads"].default is None


def test_a_workspace_is_the_working_directory(remote_address: str, tmp_path: Path) -> None:
    """The files of the workspace are where a process task starts."""
    (tmp_path / "data.txt").write_text("from the workspace\n")
    client = IrisClient.remote(remote_address, workspace=tmp_path)
    job = client.submit(name="reads", entrypoint=Entrypoint.from_command("cat", "data.txt"))
    job.wait(timeout=30)
    assert [entry.data for entry in job.tasks()[0].logs()] == ["from the workspace"]
