"""Runtimes of real processes that leave something, or end it in the wrong way, and the rule that finds it."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import suppress
from typing import IO, Any, Final

from iris_api.platform import Exit, ExitKind, Launch, Sandbox
from iris_api.testing.conformance._tasks import marked_processes
from tests.kit.able import AbleSandbox
from tests.kit.bugs_processes import Healthy

__all__ = ["BUGS"]


class _Process(Sandbox):
    """The main process is all that it knows of."""

    def __init__(self, launch: Launch, group: bool) -> None:
        env = {**os.environ, **launch.env, **launch.info.to_env()}
        to: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": env}
        self.uid, self._sink, self._stopped, self._group = launch.uid, launch.output, False, group
        self._process = subprocess.Popen(launch.entry.argv, cwd=launch.workdir, start_new_session=True, **to)
        streams = (("stdout", self._process.stdout), ("stderr", self._process.stderr))
        self._readers = [threading.Thread(target=self._read, args=one, daemon=True) for one in streams]
        for reader in self._readers:
            reader.start()

    def _read(self, source: str, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self._sink.write(source, line.removesuffix("\n"), 0)

    def wait(self, timeout: float | None = None) -> Exit | None:
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        if self._group:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        for reader in self._readers:
            reader.join(0.1)
        return Exit(kind=ExitKind.EXITED, code=code, stopped=self._stopped)

    def stop(self, grace: float) -> None:
        self._stopped = True
        self._process.kill()


class KnowsOneProcess(Healthy):
    """As a first draft is: what a task has started goes on without it."""

    def start(self, launch: Launch) -> Sandbox:
        return _Process(launch, group=False)


class KnowsOneGroup(Healthy):
    """As a second draft is: what has left the group goes on."""

    def start(self, launch: Launch) -> Sandbox:
        return _Process(launch, group=True)


class LeavesAProcess(Healthy):
    """One that it has started itself, beside the task."""

    def start(self, launch: Launch) -> Sandbox:
        sandbox = super().start(launch)
        with_mark = {**os.environ, **launch.info.to_env()}
        beside = subprocess.Popen(["sleep", "60"], env=with_mark)
        threading.Thread(target=beside.wait, daemon=True).start()
        return sandbox


class _KillsCalls(AbleSandbox):
    def stop(self, grace: float) -> None:
        for pid in marked_processes(self.uid):
            os.kill(pid, signal.SIGKILL)


class KillsCalls(Healthy):
    """It does not ask them."""

    def start(self, launch: Launch) -> Sandbox:
        made = super().start(launch)
        assert isinstance(made, AbleSandbox)
        return _KillsCalls(made.inner, launch, self._watchers)


class AsksCallsOnly(Healthy):
    """It has no other way to end a call than to ask."""

    def start(self, launch: Launch) -> Sandbox:
        made = super().start(launch)
        if launch.entry.call:
            made.stop = lambda grace: None  # type: ignore[method-assign]
        return made


BUGS: Final[dict[type[Healthy], str]] = {
    KnowsOneProcess: "children_end_with_the_task",
    KnowsOneGroup: "sessions_end_with_the_task",
    LeavesAProcess: "no_process_is_left",
    KillsCalls: "stop_asks_a_call",
    AsksCallsOnly: "stop_ends_a_call",
}
