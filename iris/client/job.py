"""Job and Task: handles on what was submitted."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from iris.client.connection import Connection
from iris.client.errors import ControllerUnreachable, JobFailedError, WaitTimeout
from iris.client.status import JobStatus, LogEntry, TaskStatus
from iris_api.ids import JobId, TaskId
from iris_api.jobs import JobState, TaskState

if TYPE_CHECKING:
    from iris_api.rpc import cluster_pb2 as pb

__all__ = ["Job", "Task"]

_HOLD: Final = 20.0  # seconds that the controller may sit on one question
_SLACK: Final = 1.0  # seconds for an answer to arrive after a caller's own deadline
_LOOK: Final = 0.2  # seconds between looks where one question cannot cover all


class Job:
    """A submitted job. Holds an id and a way to ask; the state is the controller's."""

    def __init__(self, connection: Connection, job_id: JobId, name: str) -> None:
        self._connection = connection
        self.job_id = job_id
        self.name = name
        self._seen = ""  # how it stood when the controller told last

    def status(self) -> JobStatus:
        """How the job and its tasks stand now. Raises JobNotFound."""
        return self._get(with_tasks=True)

    @property
    def state(self) -> JobState:
        return self._get(with_tasks=False).state

    def tasks(self) -> list[Task]:
        """The job's tasks, in the order of their index."""
        return [Task(self._connection, TaskId(task.task_id)) for task in self.status().tasks]

    def wait(
        self, timeout: float | None = None, raise_on_failure: bool = True, stream_logs: bool = False
    ) -> JobStatus:
        """Block until the job has ended, at most `timeout` seconds.

        Raises JobFailedError with the death certificate unless it SUCCEEDED (or
        `raise_on_failure` is false), WaitTimeout with what was last seen, and ControllerUnreachable
        when the controller stays away. `stream_logs` prints the tasks' output meanwhile.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        if stream_logs:
            self.follow(lambda _task, entry: _print(entry), deadline)
        status = self._until_ended(deadline, timeout)
        if raise_on_failure and status.state is not JobState.SUCCEEDED:
            raise JobFailedError(self._whole(status, deadline))
        return status

    def follow(
        self,
        show: Callable[[TaskId, LogEntry], None],
        deadline: float | None = None,
        on_status: Callable[[JobStatus], None] = lambda status: None,
    ) -> None:
        """Hand every line of every task to `show`, and the job's status to `on_status` now and then,
        until all tasks have ended, or `deadline` (monotonic seconds) has passed."""
        cursors = {task.task_id: "" for task in self._get(with_tasks=True, deadline=deadline).tasks}
        while cursors and (deadline is None or time.monotonic() < deadline):
            hold = _LOOK if len(cursors) == 1 else 0.0
            pages = {
                task_id: Task(self._connection, TaskId(task_id)).page(cursor, hold=hold, deadline=deadline)
                for task_id, cursor in cursors.items()
            }
            for task_id, page in pages.items():
                for entry in page.entries:
                    show(TaskId(task_id), entry)
            cursors = {task_id: page.cursor for task_id, page in pages.items() if not page.ended}
            on_status(self._get(with_tasks=False, deadline=deadline))
            if not hold and not any(page.entries for page in pages.values()):
                time.sleep(_LOOK)

    def terminate(self) -> None:
        """Have the job and all below it ended; returns when that is recorded. Fine when it has ended."""
        from iris.client.client import IrisClient

        IrisClient(self._connection).terminate(self.job_id)

    def __repr__(self) -> str:
        return f"Job({self.job_id})"

    def _get(self, *, with_tasks: bool, hold: float = 0.0, deadline: float | None = None) -> JobStatus:
        from iris.client.convert import job_status
        from iris_api.rpc import cluster_pb2 as pb

        request = pb.GetJobRequest(
            job_id=self.job_id, with_tasks=with_tasks, until_finished=hold > 0, hold_ms=int(hold * 1000)
        )
        reply = self._connection.call(
            "Controller", "GetJob", request, pb.JobStatus, hold, deadline and deadline + _SLACK
        )
        status = job_status(reply)
        self._seen = describe(status)
        return status

    def _whole(self, status: JobStatus, deadline: float | None) -> JobStatus:
        """With the tasks, if the controller is still there to tell."""
        try:
            return self._get(with_tasks=True, deadline=deadline)
        except ControllerUnreachable:
            return status

    def _until_ended(self, deadline: float | None, timeout: float | None) -> JobStatus:
        while True:
            left = _HOLD if deadline is None else min(_HOLD, deadline - time.monotonic())
            try:
                status = self._get(with_tasks=False, hold=max(left, 0.001), deadline=deadline)
            except ControllerUnreachable as error:
                last = f"it was last seen {self._seen}" if self._seen else "it was not seen before"
                raise ControllerUnreachable(f"waiting for job {self.job_id}: {error}; {last}") from error
            if status.state.ended:
                return status
            if deadline is not None and time.monotonic() >= deadline:
                whole = self._get(with_tasks=True, deadline=deadline)
                raise WaitTimeout(f"job {self.job_id} has not ended within {timeout:g} s: {describe(whole)}")


class Task:
    """One replica of a job."""

    def __init__(self, connection: Connection, task_id: TaskId) -> None:
        self._connection = connection
        self.task_id = task_id
        self.index = task_id.replica

    def status(self) -> TaskStatus:
        """How the task stands, its attempts included. Raises JobNotFound."""
        return Job(self._connection, self.task_id.job, "").status().tasks[self.index]

    @property
    def state(self) -> TaskState:
        return self.status().state

    def logs(self, *, attempt: str = "", follow: bool = False) -> Iterator[LogEntry]:
        """The task's output, all attempts in order or the one of uid `attempt`. `follow` goes on
        until the task has ended."""
        cursor = ""
        while True:
            page = self.page(cursor, attempt=attempt, hold=_HOLD if follow else 0.0)
            yield from page.entries
            cursor = page.cursor
            if page.ended or not (follow or page.entries):
                return

    def page(
        self, cursor: str = "", *, attempt: str = "", hold: float = 0.0, deadline: float | None = None
    ) -> LogPage:
        """Entries after `cursor`; waits up to `hold` seconds for the first while the task lives."""
        from iris_api.rpc import cluster_pb2 as pb

        request = pb.FetchLogsRequest(
            task_id=self.task_id, attempt_uid=attempt, cursor=cursor, hold_ms=int(hold * 1000)
        )
        return LogPage(
            self._connection.call(
                "Controller",
                "FetchLogs",
                request,
                pb.FetchLogsReply,
                hold,
                deadline and deadline + _SLACK,
            )
        )

    def __repr__(self) -> str:
        return f"Task({self.task_id})"


class LogPage:
    """A stretch of a task's log: `entries`, the `cursor` to go on from, and whether it `ended`."""

    def __init__(self, reply: pb.FetchLogsReply) -> None:
        from iris.client.convert import log_entry

        self.entries = [log_entry(entry) for entry in reply.entries]
        self.cursor = reply.cursor
        self.ended = reply.ended


def describe(status: JobStatus) -> str:
    """One sentence on how a job stands, with why its tasks wait."""
    counts = ", ".join(f"{count} {state}" for state, count in status.task_counts.items() if count)
    waiting = next(
        (f"; {task.task_id} waits: {task.pending_reason}" for task in status.tasks if task.pending_reason), ""
    )
    return f"{status.state} ({counts}){waiting}"


def _print(entry: LogEntry) -> None:
    print(entry.data, file=sys.stderr if entry.source == "stderr" else sys.stdout, flush=True)
