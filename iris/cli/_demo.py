"""``iris demo``: a whole cluster, a job, an actor and a worker pool, in some seconds."""

from __future__ import annotations

import math
import os
import random
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from iris.client.job import Job
    from iris.client.status import JobStatus

__all__ = ["demo"]

_TASKS: Final = 3
_DRAWS: Final = 200_000
_NEXT: Final = """
Go on from here.
a cluster that stays, on this machine:
  {iris} up &
a command as a job, what runs and why it ended, what it said:
  {iris} run --replicas 2 -- echo hello
  {iris} jobs
  {iris} job ID
  {iris} logs -f ID
what is selected, and what is installed:
  {iris} config show
  {iris} plugins
README.md has the quick starts for jobs, actors and worker pools.
"""


@click.command()
@click.option(
    "--runtime",
    default="process",
    show_default=True,
    help="How tasks are sandboxed: process, or local for threads.",
)
def demo(runtime: str) -> None:
    """Start a cluster in this process, estimate pi on it with three tasks that share an actor and a
    worker pool, show what came out, and leave nothing behind.

    Example: iris demo --runtime local
    """
    from iris.cli._jobs import job_table
    from iris.client.client import IrisClient
    from iris.cluster.types import Entrypoint, ResourceSpec

    began = time.monotonic()
    with IrisClient.local(runtime=runtime) as client:
        took = time.monotonic() - began
        click.echo(f"A cluster is up at {client.address} ({took:.1f} s); tasks run in runtime {runtime!r}.")
        job = client.submit(
            name="demo",
            entrypoint=Entrypoint.from_callable(estimate),
            replicas=_TASKS,
            resources=ResourceSpec(cpu=1),
        )
        click.echo(
            f"Job {job.job_id}: {_TASKS} tasks; task 0 hosts an actor and has a worker pool do its part.\n"
        )
        _show_progress(job)
        job.wait(timeout=60.0)
        click.echo()
        job_table(client.list_jobs())
    click.echo(
        f"\nAll done in {time.monotonic() - began:.1f} s; the cluster is gone, with every process of it."
    )
    click.echo(_NEXT.format(iris=_program()).rstrip())


def _program() -> str:
    """How this user calls ``iris``: by name where the shell finds it."""
    called = Path(sys.argv[0])
    if shutil.which("iris") or not called.exists():
        return "iris"
    return os.path.relpath(called)


class Tally:
    """An actor: any object whose methods others call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hits = self._draws = 0
        self._parts: set[int] = set()

    def add(self, part: int, hits: int, draws: int) -> float:
        """Add a task's part; returns the estimate so far."""
        with self._lock:
            self._parts.add(part)
            self._hits += hits
            self._draws += draws
            return 4 * self._hits / self._draws

    def complete(self, parts: int) -> float | None:
        """The estimate once `parts` tasks have added theirs."""
        with self._lock:
            return 4 * self._hits / self._draws if len(self._parts) == parts else None


def hits(seed: int, draws: int) -> int:
    """How many of `draws` random points of the unit square lie in the quarter circle."""
    draw = random.Random(seed).random
    return sum(math.hypot(draw(), draw()) < 1 for _ in range(draws))


def estimate() -> None:
    """What each task of the demo runs."""
    from iris.actor import ActorClient, ActorServer
    from iris.client import iris_ctx

    ctx = iris_ctx()
    if ctx.task_index == 0:
        with ActorServer() as server:
            server.register("tally", Tally())
            server.serve_background()
            _lead(ActorClient(ctx.resolver, "tally"), ctx.num_tasks)
        return
    tally = ActorClient(ctx.resolver, "tally")
    so_far = tally.add(ctx.task_index, hits(ctx.task_index, _DRAWS), _DRAWS)
    print(f"task {ctx.task_index}: added its part, the actor says pi is about {so_far:.4f}")


def _lead(tally: Any, parts: int) -> None:
    """Task 0: its part is done by a worker pool, and it waits for the parts of the others."""
    from iris.client import WorkerPool, WorkerPoolConfig, iris_ctx
    from iris_api.testing import wait_for_condition

    share = _DRAWS // 8
    with WorkerPool(iris_ctx().client, WorkerPoolConfig(num_workers=2)) as pool:
        wait_for_condition(lambda: pool.size == 2, timeout=60, message="both workers of the pool")
        calls = [pool.submit(hits, seed, share) for seed in range(100, 108)]
        found = [call.result(timeout=60) for call in calls]
    print(f"task 0: its worker pool ran {len(found)} calls")
    tally.add(0, sum(found), share * len(found))
    result = wait_for_condition(lambda: tally.complete(parts), timeout=60, message="the parts of all tasks")
    print(f"task 0: all {parts} parts are in, pi is about {result:.4f}")


def _show_progress(job: Job) -> None:
    """Print the tasks' lines above a bar of ended tasks."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(highlight=False)) as progress:
        bar = progress.add_task("tasks", total=_TASKS)

        def line(_task: object, entry: Any) -> None:
            progress.console.print(f"  {entry.data}", markup=False)

        def count(status: JobStatus) -> None:
            progress.update(bar, completed=sum(n for state, n in status.task_counts.items() if state.ended))

        job.follow(line, on_status=count)
