"""Tasks from submit to done, and what the controller takes for them, over 10x steps."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from typing import Final

from attrs import frozen

from benchmarks.report import Metric, Wanted, at_least, at_most, figure
from benchmarks.scale.rig import Cost, Rig

__all__ = ["run"]

_SLOTS: Final = 16  # tasks at once on a worker
_ROUNDS: Final = 3


@frozen
class Load:
    """`clients` submit at once; each of them waits for its oldest job before it has more than `window`.
    `rate`: tasks a second; 0: as many as are answered."""

    workers: int
    tasks: int
    replicas: int
    clients: int
    window: int = 2**30
    rate: int = 0

    def __str__(self) -> str:
        pace = f", {self.rate:,} tasks/s offered" if self.rate else ""
        return f"{self.tasks:,} tasks in jobs of {self.replicas} on {self.workers:,} workers{pace}"


@frozen
class Result:
    load: Load
    cost: Cost
    p50: float  # seconds from when a submit was due to its answer
    p99: float
    rss: float  # megabytes at the end
    requests: int

    @property
    def rate(self) -> float:
        return self.load.tasks / self.cost.wall


def _hundreds(workers: int, tasks: int, rate: int = 0) -> Load:
    return Load(workers, tasks, 100, clients=8, rate=rate)


def _ones(workers: int, tasks: int, rate: int = 0) -> Load:
    """No more jobs are open than a controller remembers after their end: who waits can still ask."""
    return Load(workers, tasks, 1, clients=32, window=100, rate=rate)


_CURVE: Final = (
    *(_hundreds(workers, 10_000) for workers in (10, 100, 1_000)),
    *(_hundreds(1_000, tasks) for tasks in (100, 1_000)),
    *(_ones(workers, 10_000) for workers in (10, 100, 1_000)),
    *(_ones(1_000, tasks) for tasks in (100, 1_000, 100_000)),
)
_MOST: Final = ((_hundreds(1_000, 100_000), 1_500), (_ones(1_000, 20_000), 500))
_STEADY: Final = (_hundreds(1_000, 45_000, 1_500), _ones(1_000, 15_000, 500))


def run() -> Iterator[Metric]:
    for load in _CURVE:
        yield from _told([_measure(load)])
    for load, wanted in _MOST:
        yield from _told([_measure(load) for _ in range(_ROUNDS)], rate=at_least(wanted), rss=at_most(500))
    for load in _STEADY:
        yield from _told([_measure(load) for _ in range(_ROUNDS)], p99=at_most(50))


def _measure(load: Load) -> Result:
    with Rig() as rig:
        rig.ask("workers", count=load.workers, slots=_SLOTS)
        before = rig.ask("counts")
        with rig.watch() as watch:
            got = rig.ask(
                "jobs",
                timeout=900.0,
                tasks=load.tasks,
                replicas=load.replicas,
                clients=load.clients,
                window=load.window,
                rate=load.rate / load.replicas,
            )
        after = rig.ask("counts")
        requests = sum(after[key] - before[key] for key in ("pulls", "pushes")) + 2 * got["submits"]
        return Result(load, watch.cost, got["p50"], got["p99"], rig.controller.rss(), requests)


def _told(
    results: Sequence[Result],
    rate: Wanted | None = None,
    p99: Wanted | None = None,
    rss: Wanted | None = None,
) -> Iterator[Metric]:
    load = results[0].load

    def row(what: str, unit: str, values: Sequence[float], wanted: Wanted | None = None) -> Metric:
        several = len(values) > 1
        spread = f"{len(values)} runs: {figure(min(values))} to {figure(max(values))}" if several else ""
        name = f"scale: {load}{what}"
        return Metric(name=name, value=statistics.median(values), unit=unit, peer=spread, wanted=wanted)

    yield row("", "tasks/s", [one.rate for one in results], rate)
    yield row(", tasks/s of controller CPU", "tasks/s", [load.tasks / one.cost.cpu for one in results])
    yield row(", share of its core that it got", "%", [one.cost.cores * 100 for one in results])
    yield row(", requests for one", "", [one.requests / load.tasks for one in results])
    yield row(", submit p50", "ms", [one.p50 * 1e3 for one in results])
    yield row(", submit p99", "ms", [one.p99 * 1e3 for one in results], p99)
    yield row(", RSS", "MB", [one.rss for one in results], rss)
