"""``iris explain`` and ``iris plan``: why tasks do not run, and what would make them run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from iris.cli._client import client_for, controller_option
from iris.cli._spec import job_of, job_options
from iris.cli._tables import show_table, state_text
from iris.client.status import PoolProspect, TaskProspect

__all__ = ["explain", "plan"]


@click.command()
@controller_option
@click.argument("job_id", metavar="ID")
def explain(controller: str | None, config: Path | None, job_id: str) -> None:
    """Tell for each task of a job why it does not run, and what would make it run.

    Example: iris explain train-3f9a0c1b
    """
    show(client_for(controller, config).explain(job_id))


@click.command(context_settings={"ignore_unknown_options": True})
@job_options
@controller_option
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, required=True)
def plan(controller: str | None, config: Path | None, argv: tuple[str, ...], **options: Any) -> None:
    """Tell what would become of a job if it were submitted now; submits nothing. Takes what run takes.
    Exits with 0 if all of it would start at once, else with 1.

    Example: iris plan --replicas 4 --cpu 8 --priority 80 -- python train.py
    """
    prospects = client_for(controller, config).plan(**job_of(argv, options))
    show(prospects)
    sys.exit(0 if all(one.worker_id and not one.preempts and not one.reason for one in prospects) else 1)


def show(prospects: Sequence[TaskProspect]) -> None:
    """Print prospects, tasks that are alike in one line, and what the pools have to offer."""
    rows = [
        (_indexes(one.indexes), state_text(one.state), one.worker_id or "-", _outlook(one))
        for one in prospects
    ]
    show_table(("TASKS", "STATE", "WORKER", "WHY, AND WHAT WOULD HELP"), rows, "no tasks")
    offers = dict.fromkeys(one.pools for one in prospects if one.pools and not one.worker_id)
    for pools in offers:
        click.echo()
        show_table(
            ("POOL", "WORKERS", "MEET THE CONSTRAINTS", "LARGE ENOUGH", "WITH ROOM NOW"),
            [_offer(pool) for pool in pools],
            "no pools",
        )


def _outlook(one: TaskProspect) -> str:
    from rich.markup import escape

    if one.preempts:
        return escape(f"would be placed there, and for it would end: {', '.join(one.preempts)}")
    if not one.reason:
        return "would be placed there at once" if one.state == "PENDING" and one.worker_id else ""
    return escape(one.reason) + (f"\n[dim]-> {escape(one.remedy)}[/]" if one.remedy else "")


def _offer(pool: PoolProspect) -> tuple[str, ...]:
    return pool.pool, str(pool.workers), str(pool.matching), str(pool.large_enough), str(pool.with_room)


def _indexes(indexes: Sequence[int]) -> str:
    """``0-3,7``"""
    if not indexes:
        return "-"
    breaks = [0, *(i + 1 for i, (a, b) in enumerate(pairwise(indexes)) if b != a + 1), len(indexes)]
    runs = [indexes[start:end] for start, end in pairwise(breaks)]
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
