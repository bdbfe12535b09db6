"""What the controller takes while nothing changes: workers that long-poll, with nothing and with tasks."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Final

from benchmarks.report import Metric, at_most, figure
from benchmarks.scale.rig import Rig

__all__ = ["run"]

_WATCHED: Final = 30.0  # seconds: three answers to each worker
_ROUNDS: Final = 3


def run() -> Iterator[Metric]:
    for workers in (10, 100, 1_000):
        yield _steady(workers, 0)
    for tasks in (1_000, 10_000, 100_000):
        yield _steady(1_000, tasks)


def _steady(workers: int, tasks: int) -> Metric:
    """CPU of the controller, as a percentage of a core."""
    with Rig() as rig:
        rig.ask("workers", count=workers, slots=100, run=0.0)
        if tasks:
            rig.ask("jobs", tasks=tasks, replicas=100, clients=8, wait=False)
            rig.ask("running", count=tasks)
            time.sleep(2.0)  # the last of them are being reported
        values = []
        for _ in range(_ROUNDS if workers == 1_000 and tasks in (0, 100_000) else 1):
            with rig.watch() as watch:
                time.sleep(_WATCHED)
            values.append(watch.cost.cores * 100)
    return Metric(
        name=f"scale: nothing changes, {workers:,} workers, {tasks:,} running tasks",
        value=statistics.median(values),
        unit="% of a core",
        peer=f"{len(values)} runs: {figure(min(values))} to {figure(max(values))}" if values[1:] else "",
        wanted=at_most(5) if workers == 1_000 else None,
    )
