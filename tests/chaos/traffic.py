"""Traffic: clients that submit, cancel, call and look while the cluster dies under them."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from random import Random

from iris.actor import ActorClient
from iris.client import IrisClient
from iris.client.job import Job
from iris_api.threads import ThreadContainer
from tests.chaos.journal import Journal
from tests.chaos.workload import KINDS, Expected, Folder

__all__ = ["Traffic"]

_STOP_AFTER = 1.0  # seconds that a job that is to be cancelled is left alone
_LOOK = 0.3  # seconds between two looks
_MORE = 6  # jobs, where some of one sort are wanted
_CALL = 0.4  # seconds that a call of the actor takes


class Traffic:
    """Keeps about `at_once` jobs open, from threads of its own, until `stop`."""

    def __init__(
        self,
        client: Callable[[], IrisClient],
        folder: Folder,
        journal: Journal,
        threads: ThreadContainer,
        *,
        seed: str,
        at_once: int = 10,
    ) -> None:
        self._client, self._folder, self._journal = client, folder, journal
        self._threads, self._seed, self._at_once = threads, seed, at_once
        self._numbers = itertools.count()
        self._quiet = threading.Event()
        self.wanted = ""  # a sort of job of which there shall be more now
        self.calls = 0

    def start(self, server: Job) -> None:
        """Submit from two threads, call the actor of the job `server` from a third,
        and look at everything from a fourth."""
        for number in range(2):
            self._threads.spawn(lambda _stop, n=number: self._guard(self._submit, n), f"submits-{number}")  # type: ignore[misc]
        self._threads.spawn(lambda _stop: self._guard(self._call, server), "calls")
        self._threads.spawn(lambda _stop: self._guard(self._look), "looks")

    def stop(self) -> None:
        """Submit no more; returns when all has been submitted, cancelled and answered."""
        self._quiet.set()
        for name in self._threads.stop(90.0):
            self._journal.fault(f"P8: the client {name} has not come back within 90 s")

    def _guard(self, work: Callable[..., None], *args: object) -> None:
        try:
            work(*args)
        except Exception as error:
            self._journal.fault(f"a client got {type(error).__name__}: {error}")

    def _submit(self, thread: int) -> None:
        random = Random(f"{self._seed}-{thread}")
        client, doomed = self._client(), list[tuple[float, Expected]]()
        while not self._quiet.is_set():
            most = self._at_once + (_MORE if self.wanted else 0)
            if len(self._journal.open_jobs()) < most:
                make = KINDS[self.wanted or random.choice(list(KINDS))]
                job = make(client, self._folder, f"job-{next(self._numbers)}", random)
                self._journal.acknowledged(job)
                if job.stop:
                    doomed.append((time.monotonic() + _STOP_AFTER, job))
            else:
                self._quiet.wait(0.1)
            doomed = self._cancel(client, doomed, time.monotonic())
        self._cancel(client, doomed, float("inf"))

    def _cancel(
        self, client: IrisClient, doomed: list[tuple[float, Expected]], now: float
    ) -> list[tuple[float, Expected]]:
        for when, job in doomed:
            if when <= now:
                client.terminate(job.job_id)
        return [(when, job) for when, job in doomed if when > now]

    def _look(self) -> None:
        client = self._client()
        while not self._quiet.is_set():
            self._journal.look(client)
            self._quiet.wait(_LOOK)

    def _call(self, server: Job) -> None:
        """Each call runs once and is answered by the same process, whoever dies beside it."""
        actor = ActorClient(self._client().resolver(server), "counter", timeout=60.0)
        first: tuple[str, int] | None = None
        while not self._quiet.is_set():
            uid, pid, count = actor.bump(_CALL)
            self.calls += 1
            first = first or (uid, pid)
            if (uid, pid) != first or count != self.calls:
                self._journal.fault(
                    f"P7: call {self.calls} was answered as the {count}th by {uid} in process {pid}, "
                    f"the first one by {first}"
                )
                return
