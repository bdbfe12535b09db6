"""Journal: what was promised so far, and whether what is seen now keeps it."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable

from iris.client import IrisClient
from iris.client.convert import job_status
from iris.client.job import Task
from iris.client.status import AttemptStatus, JobStatus
from iris.cluster.types import CauseKind, JobId, TaskState
from iris_api.ids import TaskId
from iris_api.rpc import cluster_pb2 as pb
from tests.chaos.workload import Expected, Folder
from tests.rigs.remains import attempt_processes
from tests.rigs.site import Site

__all__ = ["Away", "Journal"]

SOON = 5.0  # seconds within which what has ended is gone
_LONGEST = 1500  # characters of a fault
_SLACK = 1.0  # seconds for a look itself
_PLATFORM = (CauseKind.WORKER_LOST, CauseKind.KILLED_OUTSIDE, CauseKind.ENVIRONMENT)


class Away:
    """When a controller or worker was away, or was starting: wall seconds. Nothing can be ended then.
    A context manager around each such span."""

    def __init__(self) -> None:
        self._spans: list[tuple[float, float]] = []
        self._since: float | None = None

    def __enter__(self) -> None:
        self._since = time.time()

    def __exit__(self, *_error: object) -> None:
        since, self._since = self._since, None
        assert since is not None
        self._spans.append((since, time.time()))

    def within(self, since: float, until: float) -> float:
        """Seconds of a span for which somebody was away."""
        now = self._since
        spans = [*self._spans, *([] if now is None else [(now, until)])]
        return sum(max(0.0, min(end, until) - max(begin, since)) for begin, end in spans)


class Journal:
    """Acknowledged jobs, and the faults found. `look` compares everything with what was seen before; it is
    for one thread at a time."""

    def __init__(self, site: Site, folder: Folder, away: Away, excused: Collection[str] = ()) -> None:
        """`excused` attempts have been killed themselves: they may end by that though they ran."""
        self._site, self._folder, self._away = site, folder, away
        self._excused = excused
        self._lock = threading.Lock()
        self._expected: dict[str, Expected] = {}
        self._ended: dict[str, JobStatus] = {}
        self._attempts: dict[str, AttemptStatus] = {}  # those that have ended
        self._suspects: dict[str, float] = {}
        self._guilty: set[str] = set()
        self._known: set[str] = set()
        self.looks = 0
        self.faults: list[str] = []

    @property
    def submitted(self) -> int:
        return len(self._expected)

    def acknowledged(self, expected: Expected) -> None:
        """A submit has returned: from now on this job is known for ever."""
        with self._lock:
            self._expected[expected.job_id] = expected

    def fault(self, text: str) -> None:
        text = text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} [...] {text[-_LONGEST // 2 :]}"
        with self._lock:
            if text not in self.faults:
                self.faults.append(text)

    def open_jobs(self) -> list[str]:
        """Those of which nobody has seen the end."""
        with self._lock:
            return [job_id for job_id in self._expected if job_id not in self._ended]

    def still_open(self, client: IrisClient) -> list[str]:
        """Jobs of any sort that have not ended, as of a look now."""
        self.look(client)
        return sorted(self._known - self._ended.keys())

    def look(self, client: IrisClient) -> None:
        """Ask for everything and check it."""
        with self._lock:
            promised = dict(self._expected)
        jobs = _all_jobs(client)
        self._replaced(jobs)
        for job_id in promised.keys() - jobs.keys():
            self.fault(f"P2: job {job_id} ({promised[job_id].kind}) was acknowledged and is not known")
        for job_id in self._known - jobs.keys():
            self.fault(f"P2: job {job_id} was there and is not known any more")
        self._known |= jobs.keys()
        live: set[str] = set()
        for job in jobs.values():
            if job.job_id in self._ended:
                self._compare(self._ended[job.job_id], job)
            else:
                live |= self._follow(client, job, promised.get(job.job_id))
        self._families(jobs)
        self._nothing_outlives(live)
        self.looks += 1

    def _replaced(self, jobs: dict[str, JobStatus]) -> None:
        """A child that another attempt of its parent submits again is another job of the same id."""
        for job in jobs.values():
            before = self._ended.get(job.job_id)
            if before is not None and before.submitted != job.submitted:
                del self._ended[job.job_id]

    def _compare(self, before: JobStatus, now: JobStatus) -> None:
        then, today = (before.state, before.cause, before.finished), (now.state, now.cause, now.finished)
        if then != today:
            self.fault(f"P1: job {now.job_id} had ended as {then}, and now it is {today}")

    def _follow(self, client: IrisClient, job: JobStatus, expected: Expected | None) -> set[str]:
        """Look at the attempts of a job that had not ended; returns those that go on."""
        status = client.job(job.job_id).status()
        attempts = [attempt for task in status.tasks for attempt in task.attempts]
        for attempt in attempts:
            before = self._attempts.get(attempt.uid)
            if before is not None and before != attempt:
                self.fault(f"P1: attempt {attempt.uid} had ended as {before}, and now it is {attempt}")
            if attempt.state.ended:
                self._attempts[attempt.uid] = attempt
        if status.state.ended:
            self._ended[job.job_id] = status
            if expected is not None:
                self._check_end(client, status, expected)
            self._check_tries(status)
        return {attempt.uid for attempt in attempts if not attempt.state.ended}

    def _check_end(self, client: IrisClient, status: JobStatus, expected: Expected) -> None:
        what = f"job {status.job_id} ({expected.kind})"
        cause = status.cause.kind if status.cause else None
        if (status.state, cause) != (expected.state, expected.cause):
            wanted = (expected.state, expected.cause)
            self.fault(f"P1: {what} ended as {status.state}, {status.cause}, expected was {wanted}")
            return
        for task in status.tasks:
            own = [a for a in task.attempts if a.cause is None or a.cause.kind not in _PLATFORM]
            excused = any(one.uid in self._excused for one in task.attempts)
            fixed = not (excused or expected.stop or cause is CauseKind.TIMEOUT)
            if fixed and len(own) != expected.tries:
                self.fault(f"P3: {task.task_id} of {what} was tried {len(own)} times, not {expected.tries}")
            if expected.lines is not None and task.attempts:
                self._check_log(client, task.task_id, task.attempts[-1].uid, expected.lines)

    def _check_log(self, client: IrisClient, task_id: str, uid: str, wanted: tuple[str, ...]) -> None:
        task = Task(client.connection, TaskId(task_id))
        found = tuple(entry.data for entry in task.logs(attempt=uid))
        if sorted(found) != sorted(wanted) or (len(set(wanted)) > 2 and found != wanted):
            self.fault(f"log of {task_id} attempt {uid}: {_difference(wanted, found)}")

    def _check_tries(self, status: JobStatus) -> None:
        """What a crash of controller or worker has cost had not begun to run; nothing has run twice."""
        started = self._folder.started()
        for task in status.tasks:
            for attempt in task.attempts:
                times = started.count(attempt.uid)
                if times > 1:
                    self.fault(f"P3: attempt {attempt.uid} of {task.task_id} has run {times} times")
                platform = attempt.cause is not None and attempt.cause.kind in _PLATFORM
                if platform and times and attempt.uid not in self._excused:
                    self.fault(f"P7: {task.task_id} attempt {attempt.uid} ran, and ended by {attempt.cause}")
                if attempt.state is TaskState.SUCCEEDED and not times:
                    self.fault(f"P1: {task.task_id} attempt {attempt.uid} succeeded and has never run")

    def _families(self, jobs: dict[str, JobStatus]) -> None:
        now = time.time()
        for job in jobs.values():
            parent = jobs.get(JobId(job.job_id).parent or "")
            if parent is None or parent.finished is None:
                continue
            late = (job.finished or now) - parent.finished
            late -= self._away.within(parent.finished, job.finished or now)
            if late > SOON:
                self.fault(f"P5: {job.job_id} is {job.state} {late:.1f} s after the end of its parent")

    def _nothing_outlives(self, live: set[str]) -> None:
        """What belongs to no attempt that goes on is a suspect, and guilty if it stays."""
        left = [*self._left_processes(live), *self._left_folders(live)]
        now = time.time()
        self._suspects = {what: self._suspects.get(what, now) for what in left}
        for what, since in self._suspects.items():
            age = now - since - self._away.within(since, now)
            if age > SOON + _SLACK and what not in self._guilty:
                self._guilty.add(what)
                self.fault(f"P6: {age:.1f} s after the end of its attempt there is {what}")

    def _left_processes(self, live: set[str]) -> Iterable[str]:
        for uid, processes in attempt_processes(self._site.address).items():
            if uid not in live:
                yield from (f"{process} of attempt {uid}" for process in processes)

    def _left_folders(self, live: set[str]) -> Iterable[str]:
        for uid, paths in self._site.attempt_folders().items():
            if uid not in live:
                yield from (str(path) for path in paths)


def _all_jobs(client: IrisClient) -> dict[str, JobStatus]:
    request = pb.ListJobsRequest(limit=100_000)
    reply = client.connection.call("Controller", "ListJobs", request, pb.ListJobsReply)
    return {job.job_id: job_status(job) for job in reply.jobs}


def _difference(wanted: tuple[str, ...], found: tuple[str, ...]) -> str:
    missing = [line for line in wanted if line not in found]
    doubled = sorted({line for line in found if found.count(line) > wanted.count(line)})
    return f"{len(found)} lines of {len(wanted)}; missing {missing[:5]}, too many {doubled[:5]}"
