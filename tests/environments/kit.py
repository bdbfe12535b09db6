"""Orders of attempts, and runtimes whose builds are what a test says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from iris_api.errors import IrisError
from iris_api.ids import new_uid
from iris_api.job_info import JobInfo
from iris_api.platform import Exit, ExitKind, Interpreter, Launch, Runtime
from iris_api.plugins import PluginCalls
from iris_api.testing import FakeRuntime, FakeSandbox, Program, wait_for_condition
from iris_api.testing.conformance._tasks import KeptOutput
from iris_api.threads import get_thread_registry
from iris_worker.environments import Environments, Order
from iris_worker.environments.wanted import Wanted

__all__ = ["DONE", "FAILED", "Attempt", "Builder", "environments"]

DONE = Exit(kind=ExitKind.EXITED, code=0)
FAILED = Exit(kind=ExitKind.EXITED, code=1)
LIMIT = 20.0  # seconds
PYTHON = Interpreter(("python",), "the one and only")


class Attempt:
    """It wants packages, on a thread of its own, and can be stopped meanwhile."""

    def __init__(
        self,
        root: Path,
        *texts: str,
        interpreter: Interpreter = PYTHON,
        wanted: tuple[Wanted, ...] = (),
        **env: str,
    ) -> None:
        self.uid, self.log = new_uid(), KeptOutput()
        self.directory = root / "attempts" / self.uid
        self.directory.mkdir(parents=True)
        lines = (Wanted(text, f"pip_packages[{index}]", text) for index, text in enumerate(texts))
        self.order = Order(
            info=JobInfo(job_id="job", attempt_uid=self.uid),
            wanted=wanted or tuple(lines),
            interpreter=interpreter,
            env=env,
            holder=self.directory,
            log=self.log,
        )
        self.packages: Future[Path] = Future()
        self._wake: Callable[[], None] | None = None

    def begin(self, environments: Environments) -> Attempt:
        threads = get_thread_registry().container
        threads.spawn(lambda _stop: self._prepare(environments), f"attempt-{self.uid}")
        return self

    def stop(self) -> None:
        """It has begun to wait."""
        wait_for_condition(lambda: self._wake is not None, LIMIT, message="the attempt to wait")
        assert self._wake is not None
        self._wake()

    def result(self) -> Path:
        return self.packages.result(LIMIT)

    def error(self) -> BaseException | None:
        return self.packages.exception(LIMIT)

    def built(self) -> list[str]:
        """What its log has of source `build`."""
        return self.log.of("build")

    def _prepare(self, environments: Environments) -> None:
        try:
            self.packages.set_result(environments.prepare(self.order, self._on_stop))
        except IrisError as error:
            self.packages.set_exception(error)

    def _on_stop(self, wake: Callable[[], None]) -> None:
        self._wake = wake


class Builder(FakeRuntime):
    """Its attempts are builds, which stay until the test ends them."""

    def __init__(self) -> None:
        self.launches: list[Launch] = []
        self._seen = threading.Condition()
        super().__init__(self._act)

    def wait_for(self, count: int = 1) -> FakeSandbox:
        """So many have begun; the last of them."""
        with self._seen:
            assert self._seen.wait_for(lambda: len(self.launches) >= count, LIMIT)
            launch = self.launches[count - 1]
        wait_for_condition(lambda: launch.uid in self.attempts, LIMIT, message="the build to begin")
        return self.attempts[launch.uid]

    def _act(self, launch: Launch) -> Program:
        with self._seen:
            self.launches.append(launch)
            self._seen.notify_all()
        return Program(stays=True)


def environments(
    directory: Path, runtime: Runtime, *, limit: int = 10**9, patience: float = LIMIT
) -> Environments:
    """Those of a worker of its own."""
    threads = get_thread_registry().container.child("worker")
    return Environments(directory, runtime, PluginCalls("'fake'"), threads, limit=limit, patience=patience)
