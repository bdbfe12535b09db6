"""``iris logs``: what tasks have said."""

from __future__ import annotations

from pathlib import Path

import click

from iris.cli._client import client_for, controller_option
from iris.cli._run import show_entry
from iris_api.ids import TaskId

__all__ = ["logs"]


@click.command()
@click.option("-f", "--follow", is_flag=True, help="Go on until the tasks have ended.")
@click.option("-t", "--timestamps", is_flag=True, help="Show when and from where each line came.")
@controller_option
@click.argument("identity", metavar="ID")
def logs(follow: bool, timestamps: bool, controller: str | None, config: Path | None, identity: str) -> None:
    """Show the output of a job (all its tasks) or of one task (ID:INDEX).

    Example: iris logs -f 3f9a0c1b2d:0
    """
    client = client_for(controller, config)
    job_id, colon, _ = identity.partition(":")
    job = client.job(job_id)
    tasks = [task for task in job.tasks() if not colon or task.task_id == identity]
    if not tasks:
        raise click.BadParameter(f"job {job_id} has no task {identity!r}", param_hint="ID")

    def show(task: TaskId, entry: object) -> None:
        if timestamps:
            click.echo(f"{entry.timestamp:%Y-%m-%d %H:%M:%S.%f} {entry.source:6} ", nl=False)  # type: ignore[attr-defined]
        show_entry(task if len(tasks) > 1 else None, entry)  # type: ignore[arg-type]

    if follow and not colon:
        job.follow(show)
        return
    for task in tasks:
        for entry in task.logs(follow=follow):
            show(task.task_id, entry)
