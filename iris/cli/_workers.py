"""``iris workers``."""

from __future__ import annotations

from pathlib import Path

import click

from iris.cli._client import client_for, controller_option
from iris.cli._tables import show_table, state_text
from iris_api.resources import format_memory

__all__ = ["workers"]


@click.command()
@controller_option
def workers(controller: str | None, config: Path | None) -> None:
    """List the workers that the controller knows, with what is in use of them.

    Example: iris workers --controller http://127.0.0.1:10000
    """
    rows = [
        (
            worker.worker_id,
            worker.pool,
            state_text(worker.state),
            f"{worker.used.cpu:g}/{worker.total.cpu:g}",
            f"{format_memory(worker.used.memory)}/{format_memory(worker.total.memory)}",
            str(worker.attempts),
            f"{worker.last_seen:.1f}s ago",
            worker.version,
        )
        for worker in client_for(controller, config).list_workers()
    ]
    show_table(
        ("WORKER", "POOL", "STATE", "CPU", "MEMORY", "ATTEMPTS", "SEEN", "VERSION"), rows, "no workers"
    )
