"""Runtime: a stop asks, then ends, and takes along what the task has started."""

from __future__ import annotations

import time

import pytest

from iris_api.jobs import Entrypoint
from iris_api.platform import ExitKind, Runtime
from iris_api.testing.conformance._calls import within
from iris_api.testing.conformance._runtime_base import RuntimeBase, Start
from iris_api.testing.conformance._runtime_launch import Shell
from iris_api.testing.conformance._tasks import READY, ProcessesOf, Task
from iris_api.testing.conformance.base import needs
from iris_api.testing.programs import GOODBYE, Program
from iris_api.testing.waiting import wait_for_condition

__all__ = ["RuntimeStops"]

_PROMPT = 5.0  # seconds in which stop has to return
_CHILD = "sh -c 'trap \"\" TERM HUP; echo ready; while :; do sleep 0.05; done' &"
_UNTIL_GO = "while [ ! -e go ]; do sleep 0.02; done; exit 0"
_WAYS = pytest.mark.parametrize("stopped", [False, True], ids=["ends", "is stopped"])


class RuntimeStops(RuntimeBase):
    """The exit of what was stopped says so."""

    def test_stop_asks_first(self, start: Start, patience: float) -> None:
        """A task is asked to end, and has its grace to do so in its own way: what it prints then and its exit
        code are its own."""
        task = start(Program(touches=READY, stays=True, on_stop="obey"))
        task.ready()
        task.sandbox.stop(patience)
        end = task.end()
        word, code = GOODBYE
        assert (end.kind, end.code, end.stopped) == (ExitKind.EXITED, code, True)
        if "output" not in self.not_promised:
            assert task.output.of("stdout") == [word]

    @needs("kill")
    def test_stop_kills_after_the_grace(self, start: Start, patience: float) -> None:
        """What has not ended by itself within its grace is ended, and not before."""
        task = start(Program(touches=READY, stays=True, on_stop="ignore"))
        task.ready()
        began = time.monotonic()
        task.sandbox.stop(0.4)
        end = task.end()
        assert 0.4 <= time.monotonic() - began < patience
        assert (end.stopped, end.success) == (True, False)

    @needs("kill")
    def test_shorter_grace_shortens(self, start: Start) -> None:
        """A second stop with a shorter grace ends the task sooner; one with a longer does not prolong it."""
        task = start(Program(touches=READY, stays=True, on_stop="ignore"))
        task.ready()
        task.sandbox.stop(600)
        task.sandbox.stop(0.2)
        task.sandbox.stop(600)
        assert task.end().stopped

    @needs("kill")
    def test_stop_returns_at_once(self, start: Start, patience: float) -> None:
        """`stop` waits neither for the grace nor for the end."""
        task = start(Program(touches=READY, stays=True, on_stop="ignore"))
        task.ready()
        within(min(_PROMPT, patience), lambda: task.sandbox.stop(600), "stop")
        assert task.sandbox.wait(0) is None

    def test_stop_right_after_the_start(self, start: Start, patience: float) -> None:
        """A stop that comes before the task has begun is not lost."""
        task = start(Program(stays=True))
        task.sandbox.stop(patience / 2)
        assert task.end().stopped

    def test_stop_after_the_end_changes_nothing(self, start: Start) -> None:
        """What had ended by itself was not stopped, and its Exit stays."""
        task = start(Program(code=3))
        end = task.end()
        task.sandbox.stop(0)
        task.sandbox.stop(1)
        assert task.end() == end
        assert (end.code, end.stopped) == (3, False)

    @needs("calls")
    def test_stop_asks_a_call(self, runtime: Runtime, start: Start, patience: float) -> None:
        """A call is asked by `stop_event` where it runs as a thread, else by SIGTERM; its exit is its own."""

        def call() -> None:
            import signal
            import sys
            import time
            from pathlib import Path

            from iris_api.job_info import stop_event

            event = stop_event()
            if event is not None:
                event.wait(600)
                sys.exit(5)
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
            Path("ready").touch()
            time.sleep(600)

        entry = Entrypoint.from_callable(call).entry()
        task = start(entry)
        if runtime.wants_workdir(entry):  # else it is a thread, which cannot be asked too early
            wait_for_condition((task.workdir / "ready").exists, patience, message="the call to be ready")
        task.sandbox.stop(patience)
        end = task.end()
        assert (end.kind, end.code, end.stopped) == (ExitKind.EXITED, 5, True)

    @needs("kill_calls")
    def test_stop_ends_a_call(self, start: Start) -> None:
        """A call that waits for ever and heeds nothing is ended after its grace."""

        def call() -> None:
            import threading

            while True:
                try:
                    threading.Event().wait(600)
                except BaseException:
                    continue

        task = start(call)
        task.sandbox.stop(0.2)
        end = task.end()
        assert end.stopped
        assert end.kind is not ExitKind.ABANDONED

    @_WAYS
    @needs("commands")
    def test_children_end_with_the_task(
        self, start: Start, shell: Shell, processes_of: ProcessesOf, stopped: bool
    ) -> None:
        """When a task has ended, by itself or stopped, no process that it has started is left."""
        task = start(shell(f"{_CHILD}\n{_UNTIL_GO}"))
        _end(task, stopped)
        assert processes_of(task.uid) == []

    @_WAYS
    @needs("sessions")
    def test_sessions_end_with_the_task(
        self, start: Start, shell: Shell, processes_of: ProcessesOf, stopped: bool
    ) -> None:
        """No process that a task has started is left either that has a session of its own, ignores signals,
        and has lost its parent."""
        task = start(shell(f"(setsid {_CHILD})\n{_UNTIL_GO}"))
        _end(task, stopped)
        assert processes_of(task.uid) == []


def _end(task: Task, stopped: bool) -> None:
    """Once the child is there."""
    assert task.line() == "ready"
    if stopped:
        task.sandbox.stop(0.1)
    else:
        (task.workdir / "go").touch()
    assert task.end().stopped is stopped
