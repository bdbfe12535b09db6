"""``iris jobs``, ``iris job`` and ``iris stop``."""

from __future__ import annotations

from pathlib import Path

import click

from iris.cli._client import client_for, controller_option
from iris.cli._tables import age, clock, show_table, state_text
from iris.client.certificate import attempt_line, certificate
from iris.client.status import JobStatus, TaskStatus
from iris_api.jobs import JobState

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
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@controller_option
@click.argument("job_id", metavar="ID")
def job(as_json: bool, controller: str | None, config: Path | None, job_id: str) -> None:
    """Show one job: its state, why it ended or waits, and every attempt of its tasks. Of one that failed
    the death certificate: cause, worker, times, earlier attempts, last lines of output.

    Example: iris job 3f9a0c1b2d
    """
    status = client_for(controller, config).status(job_id)
    if as_json:
        import json

        import attrs

        click.echo(json.dumps(attrs.asdict(status), indent=2))
        return
    job_table([status])
    click.echo()
    rows = [row for task in status.tasks for row in _attempt_rows(task)]
    show_table(("TASK", "ATTEMPT", "STATE", "WORKER", "STARTED", "RAN", "CAUSE"), rows, "no tasks")
    if status.state.ended and status.state is not JobState.SUCCEEDED:
        click.echo(f"\n{certificate(status)}")
    elif not status.state.ended:
        _show_last_failure(status)


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
            clock(a.started),
            age(a.started, a.finished),
            escape(a.cause.message) if a.cause else "",
        )
        for a in task.attempts
    ]
    if not task.state.ended and task.pending_reason:
        rows.append(
            (task.task_id, str(len(rows)), state_text(task.state), "", "-", "-", escape(task.pending_reason))
        )
    why = escape(task.cause.message) if task.cause else ""
    return rows or [(task.task_id, "-", state_text(task.state), "", "-", "-", why)]


def _show_last_failure(status: JobStatus) -> None:
    """Of a job that goes on: what it is that made it try again."""
    ended = [
        (task, attempt)
        for task in status.tasks
        for attempt in task.attempts
        if attempt.cause is not None and attempt.finished is not None
    ]
    if not ended:
        return
    task, last = max(ended, key=lambda one: one[1].finished or 0.0)
    click.echo(f"\nlast failure: {task.task_id}, {attempt_line(last)}")
    if last.cause is not None:
        for line in last.cause.last_lines:
            click.echo(f"  | {line}")
