"""Runtime: the fixtures of its rules, and what a runtime may leave out."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest

from iris_api.jobs import Entry
from iris_api.platform import Runtime
from iris_api.testing.conformance._tasks import Attempts, ProcessesOf, Task, call_of, marked_processes
from iris_api.testing.conformance.base import Conformance, given, override
from iris_api.testing.programs import Program

__all__ = ["MakeRuntime", "RuntimeBase", "Start"]

MakeRuntime = Callable[[], Runtime]
Start = Callable[..., Task]


class RuntimeBase(Conformance):
    """The tasks of the rules are small: shell scripts, and calls where calls are what a rule is about."""

    kind = "runtime"
    abilities: ClassVar[Mapping[str, str]] = {
        "commands": "a command runs as a program, with its argv, environment and working directory",
        "calls": "a pickled call runs with its arguments",
        "interpreter": "the interpreter of the calls is told, and a job can have packages of its own",
        "output": "what a task prints is its output",
        "prints": "what a call prints is its output",
        "streams": "stdout and stderr are told apart",
        "signals": "the signal that ended a program is told",
        "workdir": "a task runs in its workdir, so that it cannot start in one that is not there",
        "mounts": "a directory of the machine is seen at its target",
        "memory_peak": "the most memory that a task has had is told",
        "memory_limit": "what takes more memory than its limit is ended",
        "kill": "what does not end in its grace is killed",
        "kill_calls": "a call that does not end in its grace is killed",
        "sessions": "what a task has started ends with it, also in a session of its own",
        "adopt": "what an earlier worker process started is found by the next",
        "stats": "what a task uses now is told",
        "exec": "a command can be run inside a sandbox",
    }

    @pytest.fixture
    @given(required=True)
    def make_runtime(self) -> MakeRuntime:
        """A function that returns a new Runtime, as each worker process on this machine makes one. What it
        has made is to be closed at the fixture's end."""
        return override("make_runtime")  # type: ignore[no-any-return]

    @pytest.fixture
    @given()
    def entry_for(self) -> Callable[[Program], Entry]:
        """How this runtime is told to do what a :class:`~iris_api.testing.Program` says: by a shell script,
        or by a call where commands are not promised."""
        if "commands" in self.not_promised:
            return call_of
        return lambda program: Entry(argv=program.argv())

    @pytest.fixture
    @given()
    def processes_of(self) -> ProcessesOf:
        """A function that takes an attempt's uid and returns the ids of all its processes. As it is, it finds
        them by their environment, in /proc."""
        return marked_processes

    @pytest.fixture
    @given()
    def places(self, tmp_path: Path) -> tuple[Path, ...]:
        """Directories in which the runtime keeps what it has to. As it is, the test's own, where the system's
        directory for temporary files is too."""
        return (tmp_path,)

    @pytest.fixture
    @given()
    def patience(self) -> float:
        """Seconds that a small task may take from its start to its end."""
        return 30.0

    @pytest.fixture(autouse=True)
    def own_temporary_files(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "tmp").mkdir(exist_ok=True)
        monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
        monkeypatch.setattr(tempfile, "tempdir", None)

    @pytest.fixture
    def runtime(self, make_runtime: MakeRuntime) -> Runtime:
        return make_runtime()

    @pytest.fixture
    def attempts(
        self,
        make_runtime: MakeRuntime,  # so that what is left is ended before the runtimes are closed
        tmp_path: Path,
        entry_for: Callable[[Program], Entry],
        processes_of: ProcessesOf,
        patience: float,
    ) -> Iterator[Attempts]:
        attempts = Attempts(tmp_path / "work", entry_for, processes_of, patience)
        yield attempts
        attempts.clean()

    @pytest.fixture
    def start(self, runtime: Runtime, attempts: Attempts) -> Start:
        return partial(attempts.start, runtime)

    @pytest.fixture
    def shell(self) -> Callable[[str], tuple[str, ...]]:
        """The argv of a script, in rules that no other kind of task can be asked to keep."""
        if "commands" in self.not_promised:
            pytest.skip(f"not promised: {self.not_promised['commands']}")
        return lambda code: ("/bin/sh", "-c", code)
