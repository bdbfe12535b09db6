"""Runtimes of real processes with one thing broken in each, and the rule that has to find it."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, ClassVar, Final

import pytest
from attrs import evolve, frozen

from iris_api.jobs import python_version
from iris_api.platform import Exit, ExitKind, Launch, LogSink, Runtime, Sandbox
from iris_api.supervised.folder import Folder
from iris_api.supervised.runtime import SupervisedRuntime
from iris_api.supervised.sandbox import SupervisedSandbox
from iris_api.testing import RuntimeConformance
from iris_api.threads import get_thread_registry

__all__ = ["BUGS", "ProcessKit"]


class Healthy(SupervisedRuntime):
    """Nothing is broken. It is made as the process platform makes one."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, get_thread_registry().container)


class ProcessKit(RuntimeConformance):
    """On directories of the test's own."""

    runtime_class: type[Healthy] = Healthy
    not_promised: ClassVar = dict.fromkeys(("mounts", "memory_limit", "exec"), "a process has none")

    @pytest.fixture
    def patience(self) -> float:
        return 5.0

    @pytest.fixture
    def make_runtime(self, tmp_path: Path) -> Iterator[Callable[[], Runtime]]:
        made: list[Healthy] = []

        def make() -> Runtime:
            made.append(self.runtime_class(tmp_path / "sandboxes"))
            return made[-1]

        yield make
        for runtime in made:
            runtime.close()


class AdoptsNothing(Healthy):
    """What there was before is not looked for."""

    def adopt(self, sink_for: Callable[[str], LogSink]) -> Sequence[SupervisedSandbox]:
        return ()


@frozen
class FromNowOn:
    sink: LogSink

    def write(self, source: str, data: str, timestamp_us: int) -> None:
        if data != "first":
            self.sink.write(source, data, timestamp_us)


class AdoptsFromNowOn(Healthy):
    """What was printed before is lost."""

    def adopt(self, sink_for: Callable[[str], LogSink]) -> Sequence[SupervisedSandbox]:
        return super().adopt(lambda uid: FromNowOn(sink_for(uid)))


class EndsWithItsWorker(Healthy):
    """Nothing of it survives the process."""

    def __init__(self, directory: Path) -> None:
        SupervisedRuntime.__init__(self, None, get_thread_registry().container)


class NeverForgets(Healthy):
    """What has ended is found for ever."""

    def forget(self, uid: str) -> None:
        return


class SwallowsEnvironment(Healthy):
    """The job's own variables are left out."""

    def _environment(self, folder: Folder, launch: Launch) -> Mapping[str, str]:
        return super()._environment(folder, evolve(launch, env={}))


class SwallowsPorts(Healthy):
    """The identity is told in part."""

    def _environment(self, folder: Folder, launch: Launch) -> Mapping[str, str]:
        found = super()._environment(folder, launch)
        return {name: value for name, value in found.items() if not name.startswith("IRIS_PORT_")}


class TellsTheToken(Healthy):
    """It is in the environment, for all to see."""

    def _environment(self, folder: Folder, launch: Launch) -> Mapping[str, str]:
        token = launch.info.token
        return {**super()._environment(folder, launch), **({"TOKEN": token.reveal()} if token else {})}


class JoinsArguments(Healthy):
    """It gives them to a shell as one text."""

    def start(self, launch: Launch) -> SupervisedSandbox:
        argv = ("/bin/sh", "-c", " ".join(launch.entry.argv))
        return super().start(evolve(launch, entry=evolve(launch.entry, argv=argv)))


class RunsElsewhere(Healthy):
    """The workdir is not where the task runs."""

    def start(self, launch: Launch) -> SupervisedSandbox:
        return super().start(evolve(launch, workdir=Path("/")))


class RunsAnyPickle(Healthy):
    """It does not look at what has made it."""

    def start(self, launch: Launch) -> SupervisedSandbox:
        return super().start(evolve(launch, entry=evolve(launch.entry, python=python_version())))


class _Process(Sandbox):
    """The main process is all that it knows of."""

    def __init__(self, launch: Launch) -> None:
        env = {**os.environ, **launch.env, **launch.info.to_env()}
        pipe = subprocess.PIPE
        self.uid, self._sink, self._stopped = launch.uid, launch.output, False
        self._process = subprocess.Popen(
            launch.entry.argv, cwd=launch.workdir, env=env, stdout=pipe, stderr=pipe, text=True
        )
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
        for reader in self._readers:
            reader.join(0.1)
        return Exit(kind=ExitKind.EXITED, code=code, stopped=self._stopped)

    def stop(self, grace: float) -> None:
        self._stopped = True
        self._process.kill()


class KnowsOneProcess(Healthy):
    """As a first draft is: what a task has started goes on without it."""

    def start(self, launch: Launch) -> Sandbox:  # type: ignore[override]
        return _Process(launch)


class LeavesAProcess(Healthy):
    """One that it has started itself, beside the task."""

    def start(self, launch: Launch) -> SupervisedSandbox:
        sandbox = super().start(launch)
        with_mark = {**os.environ, **launch.info.to_env()}
        beside = subprocess.Popen(["sleep", "60"], env=with_mark)
        threading.Thread(target=beside.wait, daemon=True).start()
        return sandbox


BUGS: Final[dict[type[Healthy], str]] = {
    AdoptsNothing: "adopt_finds_what_runs",
    AdoptsFromNowOn: "adopt_finds_what_has_ended",
    EndsWithItsWorker: "adopted_can_be_stopped",
    NeverForgets: "adopt_leaves_out_what_is_forgotten",
    SwallowsEnvironment: "environment_reaches_the_task",
    SwallowsPorts: "identity_reaches_the_task",
    TellsTheToken: "token_is_in_a_file",
    JoinsArguments: "argv_reaches_the_task",
    RunsElsewhere: "workdir_is_where_the_task_runs",
    RunsAnyPickle: "call_of_another_python",
    KnowsOneProcess: "children_end_with_the_task",
    LeavesAProcess: "no_process_is_left",
}
