"""Runtime: an attempt leaves no trace, also one that could not be started."""

from __future__ import annotations

import os
from pathlib import Path

from iris_api.errors import PlatformError
from iris_api.ids import new_uid
from iris_api.platform import ExitKind, Runtime
from iris_api.testing.conformance._runtime_base import RuntimeBase, Start
from iris_api.testing.conformance._tasks import Attempts, ProcessesOf
from iris_api.testing.conformance.base import needs
from iris_api.testing.leaks import process_snapshot, thread_snapshot
from iris_api.testing.programs import Program
from iris_api.testing.waiting import wait_for_condition

__all__ = ["RuntimeTraces"]

_SOME = 3
_PROGRAM = Program(lines=(("stdout", "x"), ("stderr", "y")), code=1)


class RuntimeTraces(RuntimeBase):
    """What the first attempt of a runtime makes for all of them is not counted."""

    def test_no_process_is_left(
        self, runtime: Runtime, start: Start, processes_of: ProcessesOf, patience: float
    ) -> None:
        """When `wait` returns an Exit no process of the attempt is there. Once it is forgotten this process
        has no child more for it, not even one that has ended."""
        _run(runtime, start)
        before = process_snapshot()
        for _ in range(_SOME):
            task = start(_PROGRAM)
            task.end()
            assert list(processes_of(task.uid)) == []
            runtime.forget(task.uid)
        what = f"less than one process more for each of {_SOME} attempts"
        wait_for_condition(lambda: len(process_snapshot() - before) < _SOME, patience, message=what)

    def test_no_thread_is_left(self, runtime: Runtime, start: Start, patience: float) -> None:
        """When an attempt has ended and is forgotten this process has no thread more for it."""
        _run(runtime, start)
        before = thread_snapshot()
        for _ in range(_SOME):
            _run(runtime, start)
        what = f"less than one thread more for each of {_SOME} attempts"
        wait_for_condition(lambda: len(thread_snapshot() - before) < _SOME, patience, message=what)

    def test_no_file_is_left(
        self, runtime: Runtime, start: Start, attempts: Attempts, places: tuple[Path, ...]
    ) -> None:
        """When an attempt has ended and is forgotten nothing of it is there but its workdir."""
        _run(runtime, start)
        before = _files(places, attempts.root)
        _run(runtime, start)
        assert _files(places, attempts.root) - before == set()

    def test_no_open_file_is_left(self, runtime: Runtime, start: Start, patience: float) -> None:
        """When an attempt has ended and is forgotten this process holds no file open for it."""
        _run(runtime, start)
        before = _open_files()
        for _ in range(_SOME):
            _run(runtime, start)
        what = f"no more than {before} files open"
        wait_for_condition(lambda: _open_files() <= before, patience, message=what)

    def test_forget_twice(self, runtime: Runtime, start: Start) -> None:
        """To forget an attempt a second time is fine, and so is one that there never was."""
        task = start(Program())
        task.end()
        runtime.forget(task.uid)
        runtime.forget(task.uid)
        runtime.forget(new_uid())

    @needs("workdir")
    def test_failed_start_says_why(self, runtime: Runtime, attempts: Attempts) -> None:
        """A start that fails, as in a workdir that is not there, raises PlatformError or gives a sandbox
        whose exit is ENVIRONMENT; either says why."""
        assert _fail(runtime, attempts)

    @needs("workdir")
    def test_failed_start_leaves_nothing(
        self,
        runtime: Runtime,
        start: Start,
        attempts: Attempts,
        processes_of: ProcessesOf,
        places: tuple[Path, ...],
        patience: float,
    ) -> None:
        """A start that fails leaves no process, no file and no open file; the next start succeeds."""
        _run(runtime, start)
        files, opened = _files(places, attempts.root), _open_files()
        _fail(runtime, attempts)
        assert _files(places, attempts.root) - files == set()
        assert list(processes_of(attempts.last)) == []
        what = f"no more than {opened} files open"
        wait_for_condition(lambda: _open_files() <= opened, patience, message=what)
        assert start(Program()).end().success


def _run(runtime: Runtime, start: Start) -> None:
    task = start(_PROGRAM)
    task.end()
    runtime.forget(task.uid)


def _fail(runtime: Runtime, attempts: Attempts) -> str:
    """What is said about a start that cannot be."""
    launch = attempts.launch(_PROGRAM)
    try:
        sandbox = runtime.start(launch)
    except PlatformError as error:
        return str(error)
    end = attempts.hold(runtime, sandbox, attempts.output_of(launch)).end()
    assert (end.kind, end.success) == (ExitKind.ENVIRONMENT, False)
    runtime.forget(launch.uid)
    return end.message


def _files(places: tuple[Path, ...], work: Path) -> set[Path]:
    found = {path for place in places for path in place.rglob("*")}
    return {path for path in found if work != path and work not in path.parents}


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208
