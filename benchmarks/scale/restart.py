"""``kill -9`` of a controller with running tasks, and its return: their workers go on meanwhile."""

from __future__ import annotations

import os
import signal
import statistics
import time
from collections.abc import Iterator
from typing import Final

from attrs import frozen

from benchmarks.report import Metric, at_most, figure
from benchmarks.scale.rig import Rig

__all__ = ["run"]

_ROUNDS: Final = 3
_WORKERS: Final = 1_000


@frozen
class _Return:
    """Seconds from the start of the process."""

    healthy: float
    answered: float  # the first answer to the last worker
    rss: float


def run() -> Iterator[Metric]:
    for tasks in (1_000, 10_000, 100_000):
        yield from _restarts(tasks)


def _restarts(tasks: int) -> Iterator[Metric]:
    with Rig() as rig:
        rig.ask("workers", count=_WORKERS, slots=100, run=0.0)
        rig.ask("jobs", tasks=tasks, replicas=100, clients=8, wait=False)
        rig.ask("running", count=tasks)
        returns = [_restart(rig) for _ in range(_ROUNDS)]
    largest = tasks == 100_000

    def row(what: str, unit: str, values: list[float], most: float | None = None) -> Metric:
        return Metric(
            name=f"scale: restart with {tasks:,} live tasks, {what}",
            value=statistics.median(values),
            unit=unit,
            peer=f"{len(values)} runs: {figure(min(values))} to {figure(max(values))}",
            wanted=at_most(most) if largest and most else None,
        )

    yield row("until healthy", "s", [one.healthy for one in returns], 5.0)
    yield row("until every worker was answered", "s", [one.answered for one in returns])
    yield row("RSS then", "MB", [one.rss for one in returns], 500.0)


def _restart(rig: Rig) -> _Return:
    os.kill(rig.controller.program.pid, signal.SIGKILL)
    rig.ask("forget_answers")
    began = time.time()
    rig.start()
    healthy = time.time() - began
    answered = rig.ask("answered", count=_WORKERS) - began
    return _Return(healthy, answered, rig.controller.rss())
