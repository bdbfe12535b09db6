"""Attempts of the kit: what they print is kept, and at the end of a test nothing of them is left."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cloudpickle
from attrs import evolve

from iris_api.ids import new_uid
from iris_api.job_info import JobInfo
from iris_api.jobs import Entry, Entrypoint
from iris_api.platform import Exit, Launch, Runtime, Sandbox
from iris_api.testing import programs
from iris_api.testing.programs import Program
from iris_api.testing.waiting import wait_for_condition

__all__ = [
    "GO",
    "READY",
    "Attempts",
    "KeptOutput",
    "ProcessesOf",
    "Task",
    "What",
    "call_of",
    "marked_processes",
]

ProcessesOf = Callable[[str], Sequence[int]]
What = Program | tuple[str, ...] | Callable[..., object]
READY, GO = "ready", "go"  # files of programs that tell, or wait
_pickling = threading.Lock()  # what is pickled by value is told to the whole process


class KeptOutput:
    """A sink that keeps everything, in order."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str]] = []
        self.times: list[int] = []
        self._lock = threading.Lock()

    def write(self, source: str, data: str, timestamp_us: int) -> None:
        with self._lock:
            self.entries.append((source, data))
            self.times.append(timestamp_us)

    def of(self, source: str) -> list[str]:
        with self._lock:
            return [data for found, data in self.entries if found == source]


class Task:
    """A sandbox with its output. `files`: where its program looks for files, and makes some."""

    def __init__(self, sandbox: Sandbox, output: KeptOutput, workdir: Path, timeout: float) -> None:
        self.sandbox, self.output, self.workdir, self._timeout = sandbox, output, workdir, timeout
        self.files = workdir
        self.uid = sandbox.uid

    def ready(self) -> None:
        """Wait until its program has made the file `READY`."""
        file = self.files / READY
        wait_for_condition(
            lambda: file.exists() or self.sandbox.wait(0), self._timeout, message="a program to be ready"
        )
        assert file.exists(), f"the task ended before it was ready: {self.sandbox.wait(0)}"

    def go(self) -> None:
        """Let its program go on, which waits for the file `GO`."""
        (self.files / GO).touch()

    def end(self, timeout: float | None = None) -> Exit:
        """How it ended, waited for."""
        limit = self._timeout if timeout is None else timeout
        end = self.sandbox.wait(limit)
        assert end is not None, (
            f"not ended within {limit:g} s; its output so far: {self.output.entries[-20:]}"
        )
        return end

    def line(self, index: int = 0, source: str = "stdout") -> str:
        """A line of its output, as soon as it is there."""
        what = f"line {index} of {source}"
        wait_for_condition(
            lambda: len(self.output.of(source)) > index or self.sandbox.wait(0), self._timeout, message=what
        )
        found = self.output.of(source)
        assert len(found) > index, f"{what} has not come, and the task ended: {self.sandbox.wait(0)}"
        return found[index]


class Attempts:
    """Starts attempts, each in a directory of its own below `root`."""

    def __init__(
        self,
        root: Path,
        entry_for: Callable[[Program], Entry],
        processes_of: ProcessesOf,
        timeout: float,
    ) -> None:
        self.root, self._entry_for, self.processes_of = root, entry_for, processes_of
        self._timeout = timeout
        self._started: list[tuple[Runtime, Sandbox]] = []
        self._uids: list[str] = []

    def launch(
        self,
        what: What | Entry,
        *args: Any,
        output: KeptOutput | None = None,
        env: Mapping[str, str] | None = None,
        info: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Launch:
        """`args` are those of a callable; `info` and `options` are fields of JobInfo and Launch."""
        uid = new_uid()
        self._uids.append(uid)
        env = dict(env or {})
        identity: dict[str, Any] = {"job_id": "kit", "attempt_uid": uid, "env": env, **(info or {})}
        given: dict[str, Any] = {"workdir": self.root / uid, "output": output or KeptOutput(), **options}
        entry = what if isinstance(what, Entry) else self._entry(what, *args)
        return Launch(uid=uid, entry=entry, info=JobInfo(**identity), env=env, **given)

    def start(self, runtime: Runtime, what: What | Entry, *args: Any, **options: Any) -> Task:
        if isinstance(what, Program) and not runtime.wants_workdir(self._entry(what)):
            return self._start_elsewhere(runtime, what, **options)
        return self.begin(runtime, self.launch(what, *args, **options))

    def begin(self, runtime: Runtime, launch: Launch) -> Task:
        """Start what `launch` has made."""
        if runtime.wants_workdir(launch.entry):
            launch.workdir.mkdir(parents=True, exist_ok=True)
        return self.hold(runtime, runtime.start(launch), self.output_of(launch))

    def output_of(self, launch: Launch) -> KeptOutput:
        """The sink that it was made with."""
        assert isinstance(launch.output, KeptOutput)
        return launch.output

    @property
    def last(self) -> str:
        """The uid that was made last."""
        return self._uids[-1]

    def hold(self, runtime: Runtime, sandbox: Sandbox, output: KeptOutput) -> Task:
        """See to its end."""
        assert sandbox.uid in self._uids, f"a sandbox has the uid {sandbox.uid}, of which there is no launch"
        self._started.append((runtime, sandbox))
        return Task(sandbox, output, self.root / sandbox.uid, self._timeout)

    def clean(self) -> None:
        """End all that there is still, by whatever means."""
        self._stop_all()
        for uid in self._uids:
            for pid in self.processes_of(uid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._stop_all()

    def _start_elsewhere(self, runtime: Runtime, program: Program, **options: Any) -> Task:
        """A thread has no workdir: its files are in a folder of the test's."""
        files = self.root / "files" / new_uid()
        files.mkdir(parents=True)
        task = self.begin(runtime, self.launch(_with_files_in(files, program), **options))
        task.files = files
        return task

    def _stop_all(self) -> None:
        """Through the runtimes, which may be broken."""
        for runtime, sandbox in self._started:
            with contextlib.suppress(Exception):
                sandbox.stop(0.0)
                if sandbox.wait(self._timeout) is not None:
                    runtime.forget(sandbox.uid)

    def _entry(self, what: What, *args: Any) -> Entry:
        if isinstance(what, Program):
            return self._entry_for(what)
        made = Entrypoint.from_command(*what) if isinstance(what, tuple) else None
        return (made or Entrypoint.from_callable(what, *args)).entry()  # type: ignore[arg-type]


def _with_files_in(folder: Path, program: Program) -> Program:
    touches, until = (str(folder / name) if name else "" for name in (program.touches, program.until))
    return evolve(program, touches=touches, until=until)


def call_of(program: Program) -> Entry:
    """A call that does what `program` says, pickled with its code: a task's interpreter may have another
    version of this kit, or none."""
    with _pickling:
        cloudpickle.register_pickle_by_value(programs)
        try:
            return Entrypoint.from_callable(program.run).entry()
        finally:
            cloudpickle.unregister_pickle_by_value(programs)


def marked_processes(uid: str) -> list[int]:
    """The processes of this machine in whose environment an attempt's uid is."""
    mark = f"IRIS_ATTEMPT_UID={uid}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):  # it has ended, or is another user's
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
    return found
