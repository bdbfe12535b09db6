"""What a whole run has found, as tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.table import Table

from tests.chaos.cycles import Outcome
from tests.chaos.points import POINTS

__all__ = ["print_report"]


def print_report(outcomes: Mapping[str, Outcome], scenarios: Iterable[tuple[str, str, float]]) -> None:
    """Deaths by point, then each scenario with its result and seconds, then the faults."""
    console = Console(width=110)
    if outcomes:
        console.print(_points(outcomes.values()))
        console.print(_runs(outcomes))
    table = Table("scenario", "result", "seconds", title="Scenarios")
    for name, result, seconds in scenarios:
        table.add_row(name, result, f"{seconds:.1f}")
    console.print(table)
    for name, outcome in outcomes.items():
        for fault in outcome.faults:
            console.print(f"{name}: {fault}", markup=False)


def _points(outcomes: Iterable[Outcome]) -> Table:
    table = Table("point", "deaths there", "killed on the way", title="kill -9")
    runs = list(outcomes)
    for point in POINTS:
        hit, elsewhere = (
            sum(getattr(run, what).get(point, 0) for run in runs) for what in ("hit", "elsewhere")
        )
        table.add_row(point, str(hit), str(elsewhere or ""))
    return table


def _runs(outcomes: Mapping[str, Outcome]) -> Table:
    table = Table(
        "run",
        "cycles",
        "attempts killed",
        "jobs submitted",
        "actor calls",
        "seconds",
        "faults",
        title="Cycles",
    )
    for name, run in outcomes.items():
        figures = (run.cycles, run.attempts, run.submitted, run.calls, round(run.seconds), len(run.faults))
        table.add_row(name, *map(str, figures))
    return table
