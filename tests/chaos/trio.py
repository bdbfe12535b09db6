"""Trio: a controller and two workers as processes of their own, and a job whose every line is known."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from attrs import field, frozen

from iris.client import IrisClient
from iris.client.job import Job
from iris.client.status import AttemptStatus
from iris.cluster.types import Constraint, TaskState
from iris_api.testing import wait_for_condition
from tests.chaos.workload import Folder
from tests.rigs.program import Program
from tests.rigs.remains import Seen, attempt_processes, processes_of
from tests.rigs.site import Site

__all__ = ["GRACE", "LIMIT", "SOON", "Trio", "signal_all", "trio"]

LIMIT: Final = 30.0  # seconds that any wait may take
SOON: Final = 5.0  # seconds within which what has ended is gone
GRACE: Final = 3.0  # seconds of silence after which a worker is lost, here


@frozen
class Trio:
    site: Site
    controller: Program
    workers: Mapping[str, Program]
    client: IrisClient
    folder: Folder = field()

    def counting(self, name: str = "counts", worker: str = "") -> Job:
        """A job that counts, a line each 0.1 s, until `finish`; it has begun to count when this returns."""
        loop = f"until [ -e {self.folder.end} ]; do echo count $i; i=$((i+1)); sleep 0.1; done"
        text = f"i=0; {loop}; echo counted $i"
        wanted = [Constraint("slice", "EQ", worker)] if worker else []
        job = self.client.submit(name=name, entrypoint=self.folder.script(text), constraints=wanted)
        wait_for_condition(lambda: self.runs(job) and self.lines(job), LIMIT, message="its first line")
        return job

    def runs(self, job: Job) -> bool:
        """Is its last attempt known to run? A worker tells that a little after the first line."""
        attempts = self.attempts(job)
        return bool(attempts) and attempts[-1].state is TaskState.RUNNING

    def attempts(self, job: Job) -> tuple[AttemptStatus, ...]:
        return job.status().tasks[0].attempts

    def finish(self, *jobs: Job) -> None:
        """Let them end, and see that each ended well, with every line of its last attempt once."""
        self.folder.end.touch()
        for job in jobs:
            job.wait(timeout=LIMIT)
            lines = self.lines(job)
            expected = [*(f"count {i}" for i in range(len(lines) - 1)), f"counted {len(lines) - 1}"]
            assert lines == expected, f"{len(lines)} lines: {lines[:3]}...{lines[-3:]}"

    def lines(self, job: Job, attempt: int = -1) -> list[str]:
        uid = self.attempts(job)[attempt].uid
        return [entry.data for entry in job.tasks()[0].logs(attempt=uid)]

    def lost(self) -> set[str]:
        """Workers that the controller has given up."""
        return {one.worker_id for one in self.client.list_workers() if one.state == "LOST"}

    def processes_of_attempt(self, uid: str) -> list[Seen]:
        return attempt_processes(self.site.address).get(uid, [])

    def machine_of(self, worker: str) -> list[int]:
        """Every process that a worker has begot, itself the first."""
        marks = [str(self.site.workers / worker)]
        below = [seen.pid for seen in processes_of(Path(marks[0]), "http://nobody")]
        tasks = [
            seen.pid
            for uid, found in attempt_processes(self.site.address).items()
            if (self.site.workers / worker / "sandboxes" / uid).exists()
            for seen in found
        ]
        own = self.workers[worker].pid
        return list(dict.fromkeys([own, *below, *tasks]))

    def end(self) -> None:
        """An orderly end, after which nothing is left."""
        for program in (*self.workers.values(), self.controller):
            program.stop()
        wait_for_condition(lambda: not self.site.left(), SOON, message=f"nothing left of {self.site.left()}")


def signal_all(pids: Iterable[int], number: int) -> None:
    """Those that have ended meanwhile are passed over: a shell's children come and go."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


@contextmanager
def trio(
    directory: Path,
    *,
    settings: str = f"worker_grace = {GRACE}\n",
    host: str = "127.0.0.1",
    within: Mapping[str, Sequence[str]] | None = None,
    workers: Sequence[str] = ("one", "two"),
    address: str = "",
    runtime: str = "process",
    tables: str = "",
    options: Mapping[str, Sequence[str]] | None = None,
) -> Iterator[Trio]:
    """`within`: what is put before the argv of the programs ``controller``, ``one``, ``two``. `address` of
    the controller for workers, where that is another one. `tables` of the configuration, and `options` of
    workers, more than there are."""
    places, more = within or {}, options or {}
    made = Site(
        directory / "site", own_workers=0, host=host, settings=settings, runtime=runtime, tables=tables
    )
    with made.running() as site:
        controller = site.program("controller", places.get("controller", ()))
        site.start_up(controller)
        crew = {name: site.program(name, places.get(name, ())) for name in workers}
        for name, program in crew.items():
            program.launch(site.worker_argv(name, address, more.get(name, ())))
        site.wait_for_workers(*crew)
        yield Trio(site, controller, crew, site.client(), Folder(directory))
