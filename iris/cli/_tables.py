"""Tables on a terminal, plain columns in a pipe."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterable, Sequence
from typing import Final

import click

__all__ = ["age", "clock", "show_table", "state_text"]

_GOOD, _BUSY, _WAITING, _BAD, _ENDED = "green", "cyan", "yellow", "red", "magenta"
_COLORS: Final = {
    "SUCCEEDED": _GOOD,
    "healthy": _GOOD,
    "RUNNING": _BUSY,
    "PENDING": _WAITING,
    "ASSIGNED": _WAITING,
    "BUILDING": _WAITING,
    "FAILED": _BAD,
    "WORKER_FAILED": _BAD,
    "UNSCHEDULABLE": _BAD,
    "lost": _BAD,
    "KILLED": _ENDED,
    "PREEMPTED": _ENDED,
}


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]], empty: str) -> None:
    """Print rows under their headings, or `empty` where there are none. Markup is allowed in cells."""
    from rich.console import Console
    from rich.table import Table

    rows = list(rows)
    if not rows:
        click.echo(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
    console.print(table)


def state_text(state: str) -> str:
    """A state in its colour."""
    return f"[{_COLORS.get(state, 'white')}]{state}[/]"


def clock(wall: float | None) -> str:
    """A moment on this machine's clock, with the day: ``11-21 03:07:12``; ``-`` where it has not come."""
    if wall is None:
        return "-"
    return f"{datetime.datetime.fromtimestamp(wall, tz=datetime.UTC).astimezone():%m-%d %H:%M:%S}"


def age(since: float | None, until: float | None = None) -> str:
    """How long, in the largest two units: ``2m 5s``; ``-`` where it has not begun."""
    if since is None:
        return "-"
    seconds = (until if until is not None else datetime.datetime.now(tz=datetime.UTC).timestamp()) - since
    if seconds < 10:
        return f"{max(seconds, 0):.1f}s"
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s")]
    first = next((i for i, (count, _) in enumerate(parts) if count), 3)
    return " ".join(f"{count}{unit}" for count, unit in parts[first : first + 2])
