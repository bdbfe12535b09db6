"""Runtime: how a task ended is told exactly."""

from __future__ import annotations

import signal
from functools import partial

import pytest

from iris_api.errors import PlatformError
from iris_api.platform import Exit, ExitKind, Runtime, SupportsOnEnd
from iris_api.resources import ResourceSpec
from iris_api.testing.conformance._calls import at_once
from iris_api.testing.conformance._runtime_base import RuntimeBase, Start
from iris_api.testing.conformance._tasks import GO, READY, Attempts, Task
from iris_api.testing.conformance.base import needs
from iris_api.testing.programs import Program
from iris_api.testing.waiting import wait_for_condition

__all__ = ["RuntimeEnds"]

_MANY, _STARTERS = 50, 10
_LIMIT = 64 * 2**20  # bytes
_TAKEN = 4 * _LIMIT


class RuntimeEnds(RuntimeBase):
    """An Exit says what is known, and nothing else."""

    @pytest.mark.parametrize("code", [0, 1, 7, 255])
    def test_exit_code(self, start: Start, code: int) -> None:
        """The exit is EXITED with the program's own code, and is a success only with 0."""
        end = start(Program(code=code)).end()
        assert (end.kind, end.code, end.signal, end.stopped) == (ExitKind.EXITED, code, None, False)
        assert end.success is (code == 0)

    @needs("signals")
    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGUSR1])
    def test_signal(self, start: Start, number: int) -> None:
        """A program that a signal ends, of its own making, is SIGNALED with it, and was not stopped."""
        end = start(Program(signal=number)).end()
        assert (end.kind, end.signal, end.code, end.stopped) == (ExitKind.SIGNALED, number, None, False)

    @needs("commands")
    @pytest.mark.parametrize("name", ["no-such-program", "/", ""])
    def test_missing_program(self, start: Start, name: str) -> None:
        """What is no program fails, and the exit or the output says so and names it."""
        task = start((name, "x"))
        end = task.end()
        assert not end.success
        told = " ".join([end.message, *(text for _, text in task.output.entries)]).strip()
        assert told
        assert name in told

    def test_wait_expires(self, start: Start) -> None:
        """`wait` returns None when its time is over and the task goes on."""
        task = start(Program(touches=READY, stays=True))
        task.ready()
        assert task.sandbox.wait(0) is None
        assert task.sandbox.wait(0.05) is None

    def test_same_exit_on_every_wait(self, start: Start, patience: float) -> None:
        """Every later `wait` returns the same Exit at once, also from several threads."""
        task = start(Program(code=3))
        end = task.end()
        assert at_once(patience, [lambda: task.sandbox.wait(patience)] * 4, "wait") == [end] * 4

    def test_on_end(self, start: Start, patience: float) -> None:
        """A sandbox with `on_end` (SupportsOnEnd) tells the Exit of `wait` to each call once, also to one
        that comes after the end."""
        task = start(Program(code=3))
        told: list[Exit] = []
        if isinstance(task.sandbox, SupportsOnEnd):
            task.sandbox.on_end(told.append)
        end = task.end()
        if not isinstance(task.sandbox, SupportsOnEnd):
            pytest.skip("not promised: the sandbox has no on_end (SupportsOnEnd)")
        wait_for_condition(lambda: told, patience, message="on_end to tell the end")
        task.sandbox.on_end(told.append)
        assert told == [end, end]

    @needs("memory_peak")
    def test_memory_peak(self, start: Start) -> None:
        """The exit tells the most memory that the task has had, in bytes."""
        end = start(Program(memory=_LIMIT)).end()
        assert _LIMIT // 2 < (end.memory_peak or 0) < 8 * _LIMIT

    @needs("memory_limit")
    def test_out_of_memory(self, start: Start) -> None:
        """A task that takes more than its limit is ended; the exit is OUT_OF_MEMORY, with the peak."""
        end = start(Program(memory=_TAKEN, stays=True), limits=ResourceSpec(memory=_LIMIT)).end()
        assert (end.kind, end.stopped, end.success) == (ExitKind.OUT_OF_MEMORY, False, False)
        assert end.memory_peak is not None
        assert _LIMIT // 2 <= end.memory_peak <= 2 * _TAKEN

    @needs("memory_limit")
    def test_memory_limit_ends_only_the_guilty(self, start: Start) -> None:
        """When a task is ended for its memory the others go on, with the same limit and without one."""
        limits = ResourceSpec(memory=_LIMIT)
        ready = Program(touches=READY, stays=True)
        others = [start(ready, limits=limits), start(ready)]
        for other in others:
            other.ready()
        guilty = start(Program(memory=_TAKEN, stays=True), limits=limits)
        assert guilty.end().kind is ExitKind.OUT_OF_MEMORY
        assert [other.sandbox.wait(0) for other in others] == [None, None]

    def test_fifty_at_once(self, runtime: Runtime, attempts: Attempts, patience: float) -> None:
        """Fifty tasks run at the same time, started by ten threads, each with its own output and exit."""

        def waiting(number: int) -> Task:
            program = Program(lines=(("stdout", str(number)),), touches=READY, until=GO, code=number)
            return attempts.start(runtime, program)

        def begin(first: int) -> dict[int, Task]:
            return {number: waiting(number) for number in range(first, _MANY, _STARTERS)}

        started = at_once(4 * patience, [partial(begin, first) for first in range(_STARTERS)], "start")
        tasks = {number: task for some in started for number, task in some.items()}
        for task in tasks.values():
            task.ready()
        for task in tasks.values():
            assert task.sandbox.wait(0) is None
            task.go()
        assert {number: task.end().code for number, task in tasks.items()} == {n: n for n in range(_MANY)}
        if "output" not in self.not_promised:
            assert all(task.output.of("stdout") == [str(number)] for number, task in tasks.items())

    def test_stats_after_the_end(self, start: Start) -> None:
        """What has ended uses nothing: `stats` is None."""
        task = start(Program())
        task.end()
        assert task.sandbox.stats() is None

    @needs("stats")
    def test_stats(self, start: Start, patience: float) -> None:
        """`stats` tells memory, processor time and number of processes of a task that runs."""
        task = start(Program(touches=READY, stays=True))
        task.ready()
        found = wait_for_condition(task.sandbox.stats, patience, message="stats of a task that runs")
        assert found is not None
        assert found.memory >= 0
        assert found.cpu_seconds >= 0
        assert found.processes >= 1

    @needs("exec")
    def test_exec(self, start: Start) -> None:
        """A command runs inside the sandbox, and its exit code and output come back."""
        task = start(Program(touches=READY, stays=True))
        task.ready()
        assert task.sandbox.exec(("/bin/sh", "-c", "echo inside; exit 3")) == (3, b"inside\n")
        task.sandbox.stop(0)
        task.end()
        with pytest.raises(PlatformError):
            task.sandbox.exec(("/bin/sh", "-c", "true"))
