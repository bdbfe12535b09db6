"""Users: programs on machines of their own that submit jobs, wait for them and end them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from iris.client.client import IrisClient
from iris.client.connection import Connection
from iris.client.errors import ControllerUnreachable, JobNotFound, WaitTimeout
from iris.client.job import Job
from iris.sim.programs import submit
from iris_api.errors import IrisError, Lost, Refused
from iris_api.threads import thread_registry_scope

if TYPE_CHECKING:
    from iris.sim.world import World

__all__ = ["User"]

_LATE: Final = 3.0  # seconds by which a wait may end after its deadline
_PATIENCE: Final = 160.0  # seconds after which any call without a deadline of its own has ended
_EXPECTED: Final = (ControllerUnreachable, WaitTimeout, JobNotFound, Refused, Lost)


class User:
    """Carries out a script. What it was told is noted with the world's checks."""

    def __init__(self, world: World, name: str, script: list[list[Any]]) -> None:
        self._world, self._script, self.name = world, script, name
        self.host = world.network.host(name)
        self.process = self.host.process(name)
        self._jobs: list[Job | None] = []
        self._client: IrisClient | None = None
        self.done = False
        self.waits_until: float | None = None  # by the clock of its host

    def start(self) -> None:
        self._world.kernel.spawn(self._main, self.name, self.process)

    def _main(self) -> None:
        with thread_registry_scope(self.name):
            self._client = IrisClient(Connection(self._world.address, self._world.token))
            for step in self._script:
                self._do(step)
        self.done = True

    def _do(self, step: list[Any]) -> None:
        kernel = self._world.kernel
        limit = step[2] + _LATE if len(step) > 2 else _PATIENCE
        self.waits_until = self.host.mono() + limit
        try:
            told: object = getattr(self, f"_{step[0]}")(*step[1:])
        except _EXPECTED as error:
            told = type(error).__name__
            if step[0] == "submit":
                self._jobs.append(None)
        except IrisError as error:
            self._world.checks.fail("no wait without a reason", f"{step[0]} of {self.name}: {error!r}")
            return
        kernel.trace("user", self.name, step[0], told)
        if self.overdue():
            self._world.checks.fail("waits end", f"{step} of {self.name} ended late")
        self.waits_until = None

    def overdue(self) -> bool:
        """Whether a wait goes on that should have ended."""
        until = self.waits_until
        return until is not None and self.process.alive and self.host.mono() > until

    def _sleep(self, seconds: float) -> None:
        self._world.kernel.sleep(seconds)

    def _submit(self, spec: dict[str, Any]) -> str:
        assert self._client is not None
        job = submit(self._client, spec)
        self._jobs.append(job)
        self._world.checks.acknowledged(job.job_id)
        return job.job_id

    def _wait(self, number: int, seconds: float) -> object:
        job = self._jobs[number]
        if job is None:
            return None
        status = job.wait(seconds, raise_on_failure=False)
        self._world.checks.told(job.job_id, status.state)
        return status.state

    def _follow(self, number: int, seconds: float) -> object:
        import time

        job = self._jobs[number]
        lines: list[str] = []
        if job is not None:
            job.follow(lambda task, entry: lines.append(entry.data), time.monotonic() + seconds)
        return len(lines)

    def _terminate(self, number: int) -> object:
        job = self._jobs[number]
        if job is not None:
            job.terminate()
            self._world.checks.terminated(job.job_id)
        return job is not None
