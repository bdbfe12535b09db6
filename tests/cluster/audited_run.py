"""A program: a cluster, jobs in jobs, an actor and a worker pool; every write to the environment is noted."""

from __future__ import annotations

import os
import sys
import traceback

WRITES: list[str] = []


def note(event: str, _arguments: tuple[object, ...]) -> None:
    if event in ("os.putenv", "os.unsetenv"):
        WRITES.append("".join(traceback.format_stack()))


def child() -> None:
    """Finds its parent's actor by name."""
    from iris.actor import ActorClient
    from iris.client import iris_ctx

    assert ActorClient(iris_ctx().resolver, "witness").see("raw")[0] == iris_ctx().parent_job_id


def parent() -> None:
    """Serves an actor, and has a child, a command and a worker pool."""
    from iris.actor import ActorServer
    from iris.client import WorkerPool, WorkerPoolConfig, iris_ctx
    from iris.cluster.types import Entrypoint
    from tests.cluster.kit import Witness

    ctx = iris_ctx()
    with ActorServer() as server:
        server.register("witness", Witness())
        server.serve_background()
        ctx.client.submit(name="child", entrypoint=Entrypoint.from_callable(child)).wait(timeout=20)
        ctx.client.submit(name="command", entrypoint=Entrypoint.from_command("true")).wait(timeout=20)
        with WorkerPool(ctx.client, WorkerPoolConfig(num_workers=2)) as pool:
            assert [call.result(timeout=20) for call in pool.map(abs, [-1, 2])] == [1, 2]


def main(runtime: str) -> int:
    before = dict(os.environ)
    sys.addaudithook(note)
    os.putenv("CANARY", "")
    assert len(WRITES) == 1  # the hook hears
    WRITES.clear()
    from iris.client import IrisClient
    from iris.cluster.types import Entrypoint, EnvironmentSpec

    with IrisClient.local(runtime) as client:
        environment = EnvironmentSpec(env_vars={"MODE": "audited"})
        entry = Entrypoint.from_callable(parent)
        client.submit(name="parent", entrypoint=entry, environment=environment).wait(timeout=25)
        client.submit(name="fails", entrypoint=Entrypoint.from_command("false")).wait(
            timeout=20, raise_on_failure=False
        )
        jobs = len(client.list_jobs())
    assert dict(os.environ) == before
    print(*WRITES, sep="\n", file=sys.stderr)
    print(f"jobs: {jobs}, writes: {len(WRITES)}")
    return 1 if WRITES else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
