"""What finding places costs, over 10x steps of tasks and of workers. No socket and no store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from benchmarks.processes import Session
from benchmarks.report import Metric, at_most

__all__ = ["run"]

_STEPS: Final = ((1_000, 100), (10_000, 1_000), (100_000, 1_000), (100_000, 10_000))
_ONE: Final = 3.25  # cores: the largest of the shapes


def run() -> Iterator[Metric]:
    for tasks, workers in _STEPS:
        largest = (tasks, workers) == _STEPS[-1]
        with Session() as session:
            driver = session.driver("placing")
            full = driver.ask("full", timeout=300.0, tasks=tasks, workers=workers)
        with Session() as session:
            driver = session.driver("placing")
            short = driver.ask("full", timeout=300.0, tasks=tasks, workers=workers, cpu=_ONE)
        with Session() as session:
            driver = session.driver("placing")
            change = driver.ask("change", timeout=300.0, tasks=tasks, workers=workers)
        what = f"scale: {tasks:,} waiting tasks, {workers:,} workers"
        yield Metric(
            name=f"{what}: one full pass",
            value=full["seconds"] * 1e3,
            unit="ms",
            peer=f"finds places for {full['placed']:,}",
            wanted=at_most(250) if largest else None,
        )
        yield Metric(
            name=f"{what}, room for one task each: one full pass",
            value=short["seconds"] * 1e3,
            unit="ms",
            peer=f"finds places for {short['placed']:,}",
            wanted=at_most(250) if largest else None,
        )
        yield Metric(
            name=f"{what}: a turn with one change",
            value=change["seconds"] * 1e3,
            unit="ms",
            peer=f"the longest of 51: {change['longest'] * 1e3:.2f}",
            wanted=at_most(1) if largest else None,
        )
