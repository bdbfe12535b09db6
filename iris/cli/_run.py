"""``iris run``: a command as a job."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import Any, Final

import click

from iris.cli._client import client_for, controller_option
from iris.cli._spec import job_of, job_options
from iris.client.certificate import attempt_line, certificate
from iris.client.job import Job
from iris.client.status import JobStatus, LogEntry
from iris_api.ids import TaskId
from iris_api.jobs import CauseKind, JobState

__all__ = ["run"]

_LOOK: Final = 1.0  # seconds between looks for attempts that have failed


@click.command(context_settings={"ignore_unknown_options": True})
@job_options
@click.option(
    "--workspace",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Directory that travels with the job [default: none].",
)
@click.option("--detach", is_flag=True, help="Print the job's id and do not wait.")
@controller_option
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, required=True)
def run(
    workspace: Path | None,
    detach: bool,
    controller: str | None,
    config: Path | None,
    argv: tuple[str, ...],
    **options: Any,
) -> None:
    """Run a command as a job: stream its output and exit with its status. Ctrl+C ends the job.

    Example: iris run --replicas 2 --cpu 1 --memory 2GB -e MODE=fast -- python train.py
    """
    job = client_for(controller, config, workspace).submit(**job_of(argv, options))
    if detach:
        click.echo(job.job_id)
        return
    click.echo(f"iris: job {job.job_id}", err=True)
    sys.exit(_watch(job, options["replicas"]))


def _watch(job: Job, replicas: int) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl+C
    failures = _Failures(job)
    try:
        job.follow(
            lambda task, entry: show_entry(task if replicas > 1 else None, entry), on_status=failures.look
        )
        job.wait(raise_on_failure=False)
        status = job.status()
    except KeyboardInterrupt:
        click.echo(f"iris: ending job {job.job_id}", err=True)
        job.terminate()
        job.wait(timeout=30.0, raise_on_failure=False)
        return 130
    failures.tell(status)
    if status.state is not JobState.SUCCEEDED:
        text = certificate(status, output=replicas > 1)  # that of one task stands above
        click.echo("\n".join(f"iris: {line}" for line in text.splitlines()), err=True)
    return exit_code(status)


class _Failures:
    """Tells of attempts that have failed and after which the task was tried again, each once."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._told: set[str] = set()
        self._next = 0.0

    def look(self, status: JobStatus) -> None:
        """Ask for the attempts, once a second at most: a job may have thousands."""
        if not status.state.ended and time.monotonic() >= self._next:
            self._next = time.monotonic() + _LOOK
            self.tell(self._job.status())

    def tell(self, status: JobStatus) -> None:
        for task in status.tasks:
            for attempt in task.attempts[:-1] if task.state.ended else task.attempts:
                if attempt.state.ended and attempt.uid not in self._told:
                    self._told.add(attempt.uid)
                    line = f"iris: {task.task_id}: {attempt_line(attempt)}; it is tried again"
                    click.echo(line, err=True)


def show_entry(task: TaskId | None, entry: LogEntry) -> None:
    """Print one line of output where it belongs: stdout is the tasks' stdout, all else is stderr."""
    prefix = f"[{task.replica}] " if task else ""
    click.echo(f"{prefix}{entry.data}", err=entry.source != "stdout")


def exit_code(status: JobStatus) -> int:
    """The shell's code for how a job ended: the command's own where it has one, 128 + signal, else 1."""
    cause = status.cause
    if status.state is JobState.SUCCEEDED:
        return 0
    if cause is not None and cause.exit_code:
        return cause.exit_code
    if cause is not None and cause.signal:
        return 128 + cause.signal
    return 130 if cause is not None and cause.kind is CauseKind.CANCELLED else 1
