"""``iris jobs``, ``iris job`` and ``iris stop``."""

from __future__ import annotations

from pathlib import Path

import click

from iris.cli._client import client_for, controller_option
from iris.cli._tables import age, show_table, state_text
from iris.client.status import JobStatus, TaskStatus
from iris_api.jobs import Cause, JobState

__all__ = ["job", "job_table", "jobs", "stop"]


@click.command()
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([*JobState], case_sensitive=False),
    help="Only jobs in this state; repeat for more.",
)
@click.option("--prefix", default="", help="Only jobs whose id or name starts so.")
@controller_option
def jobs(states: tuple[str, ...], prefix: str, controller: str | None, config: Path | None) -> None:
    """List jobs, newest first.

    Example: iris jobs --state RUNNING --state PENDING
    """
    job_table(client_for(controller, config).list_jobs(states, prefix))


@click.command()
@controller_option
@click.argument("job_id", metavar="ID")
def job(controller: str | None, config: Path | None, job_id: str) -> None:
    """Show one job: its state, why it ended or waits, and every attempt of its tasks.

    Example: iris job 3f9a0c1b2d
    """
    status = client_for(controller, config).status(job_id)
    job_table([status])
    if status.cause:
        click.echo(f"\ncause: {_cause_text(status.cause)}")
    click.echo()
    rows = [row for task in status.tasks for row in _attempt_rows(task)]
    show_table(("TASK", "ATTEMPT", "STATE", "WORKER", "RAN", "CAUSE"), rows, "no tasks")
    if status.cause and status.cause.last_lines:
        click.echo("\nlast lines of output:")
        for line in status.cause.last_lines:
            click.echo(f"  | {line}")


@click.command()
@controller_option
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
def stop(controller: str | None, config: Path | None, job_ids: tuple[str, ...]) -> None:
    """End jobs and all below them.

    Example: iris stop 3f9a0c1b2d 77ab01c2d3
    """
    client = client_for(controller, config)
    ended = set(client.terminate(*job_ids))
    for job_id in job_ids:
        click.echo(f"{job_id} {'is being ended' if job_id in ended else 'had ended already'}")


def job_table(statuses: list[JobStatus]) -> None:
    """Print jobs as a table."""
    rows = [
        (
            status.job_id,
            status.name,
            state_text(status.state),
            _counts(status),
            age(status.submitted),
            age(status.started, status.finished),
            _why(status),
        )
        for status in statuses
    ]
    show_table(("ID", "NAME", "STATE", "TASKS", "AGE", "RAN", "WHY"), rows, "no jobs")


def _counts(status: JobStatus) -> str:
    return " ".join(f"{count} {state.lower()}" for state, count in status.task_counts.items() if count)


def _why(status: JobStatus) -> str:
    from rich.markup import escape

    return escape(status.cause.message if status.cause else status.pending_reason)


def _attempt_rows(task: TaskStatus) -> list[tuple[str, ...]]:
    from rich.markup import escape

    rows: list[tuple[str, ...]] = [
        (
            task.task_id,
            str(a.number),
            state_text(a.state),
            a.worker_id,
            age(a.started, a.finished),
            escape(a.cause.message) if a.cause else "",
        )
        for a in task.attempts
    ]
    if not task.state.ended and task.pending_reason:
        rows.append(
            (task.task_id, str(len(rows)), state_text(task.state), "", "-", escape(task.pending_reason))
        )
    return rows or [
        (task.task_id, "-", state_text(task.state), "", "-", escape(task.cause.message) if task.cause else "")
    ]


def _cause_text(cause: Cause) -> str:
    facts = [f"kind {cause.kind}"]
    facts += [f"exit code {cause.exit_code}"] if cause.exit_code is not None else []
    facts += [f"signal {cause.signal}"] if cause.signal is not None else []
    facts += [f"memory peak {cause.memory_peak / 1e6:.0f} MB"] if cause.memory_peak else []
    facts += [f"by {cause.by}"] if cause.by else []
    return f"{cause.message} ({', '.join(facts)})"
