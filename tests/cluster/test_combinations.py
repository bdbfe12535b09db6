"""Controller, worker and machine die and return while jobs run, in any combination and order."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from iris.client import IrisClient, Job
from iris.cluster.types import Entrypoint, TaskState
from iris_api.testing import wait_for_condition
from tests.cluster.conftest import Extra, Up
from tests.cluster.kit import LIMIT, ON_EXTRA, is_alive, waits_for


class Site:
    """A controller of its own, and one machine with one worker."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.up = Up(directory)
        self.up.configure("default", "process", options="min = 0")
        self.up.start()
        self.client = IrisClient.remote(self.up.address)
        self.worker = Extra(self.client, directory)
        self.worker.start()

    def kill(self, what: str) -> None:
        """`machine`: the worker, and everything that ran there; who is dead already stays so."""
        if what == "controller":
            self.up.kill()
            return
        self.worker.end(kill=True)
        for pid in self.processes() if what == "machine" else ():
            os.kill(pid, signal.SIGKILL)

    def start(self, what: str) -> None:
        if what == "controller":
            self.up.start()
        else:
            self.worker.launch()

    def processes(self) -> list[int]:
        """Every supervisor on the machine, and all that tasks have started."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                words = (path / "environ").read_bytes() + (path / "cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(self._directory / "state" / "worker-extra") in words and is_alive(int(path.name)):
                found.append(int(path.name))
        return found

    def end(self) -> None:
        self.worker.end(kill=False)
        self.up.clean_up()


@pytest.fixture
def site(tmp_path: Path, own_state: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.end()


def runs(job: Job) -> bool:
    return next(job.tasks()[0].logs(follow=True)).data == "before"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("die", "come_back"),
    [
        (["controller"], ["controller"]),
        (["worker"], ["worker"]),
        (["controller", "worker"], ["worker", "controller"]),
        (["worker", "controller"], ["controller", "worker"]),
        (["machine"], ["machine"]),
        (["machine", "controller"], ["controller", "machine"]),
        (["controller", "machine"], ["machine", "controller"]),
    ],
    ids=lambda names: "-".join(names),
)
def test_all_return_to_their_work(site: Site, tmp_path: Path, die: list[str], come_back: list[str]) -> None:
    """What ran is adopted, unless its machine died: then it is tried again, at the platform's cost. What
    waited is placed. Each line of output is there once, and nothing is left."""
    job = site.client.submit(name="runs", entrypoint=waits_for(tmp_path / "go"), constraints=ON_EXTRA)
    assert runs(job)
    waits = site.client.submit(name="waits", entrypoint=Entrypoint.from_command("true"), replicas=3)
    for what in die:
        site.kill(what)
    for what in come_back:
        site.start(what)
    if "machine" in die:
        wait_for_condition(lambda: len(job.status().tasks[0].attempts) > 1, timeout=LIMIT)
    (tmp_path / "go").touch()
    job.wait(timeout=LIMIT)
    waits.wait(timeout=LIMIT)
    attempts = job.status().tasks[0].attempts
    states = [TaskState.WORKER_FAILED] * ("machine" in die) + [TaskState.SUCCEEDED]
    assert [attempt.state for attempt in attempts] == states
    said = ["before"] * len(attempts) + ["after"]
    assert [entry.data for entry in job.tasks()[0].logs()] == said
    wait_for_condition(lambda: not site.processes(), timeout=5.0, message="nothing of any attempt to be left")
