"""1,000 one-task jobs, submitted from one thread and finished, tasks as threads."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Final

from benchmarks.processes import Session
from benchmarks.report import Metric, at_least

__all__ = ["run"]

_JOBS: Final = 1_000
_ROUNDS: Final = 3


def run() -> Iterator[Metric]:
    with Session() as session:
        driver = session.driver("many_jobs")
        driver.ask("run", count=50)
        rounds = [driver.ask("run", count=_JOBS, timeout=120.0) for _ in range(_ROUNDS)]

    def median(key: str) -> float:
        return statistics.median([float(one[key]) for one in rounds])

    yield Metric(
        name=f"jobs: {_JOBS:,} submitted and finished",
        value=median("rate"),
        unit="jobs/s",
        wanted=at_least(300),
    )
    yield Metric(name="jobs: accepted", value=median("submit"), unit="jobs/s")
    yield Metric(name="jobs: CPU of all parts for one", value=median("cpu") * 1e3, unit="ms")
