"""Runtimes with one thing broken in each, and the rule of the kit that has to find it."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from attrs import evolve

from iris_api.errors import PlatformError
from iris_api.platform import Exit, ExitKind, Launch, Stats
from iris_api.testing import FakeRuntime, FakeSandbox, Program
from iris_api.threads import get_thread_registry
from tests.kit.fakes import FakeRuntimeKit

__all__ = ["BUGS", "BuggyRuntimeKit", "Healthy"]


class BuggyRuntimeKit(FakeRuntimeKit):
    """Less patient, so that what never comes is found soon."""

    @pytest.fixture
    def patience(self) -> float:
        return 1.0


class Healthy(FakeRuntime):
    """Nothing is broken."""


class TellsNoCode(FakeRuntime):
    """A failure is a failure."""

    def program(self, launch: Launch) -> Program:
        program = super().program(launch)
        return evolve(program, code=min(program.code, 1))


class SignalIsACode(FakeRuntime):
    """As a shell tells it."""

    def program(self, launch: Launch) -> Program:
        program = super().program(launch)
        return evolve(program, signal=0, code=128 + program.signal) if program.signal else program


class ForgetsTheExit(FakeRuntime):
    """Who asks first is told."""

    def sandbox(self, launch: Launch) -> FakeSandbox:
        return _ToldOnce(launch, self.program(launch), time.monotonic)


class _ToldOnce(FakeSandbox):
    told = False

    def wait(self, timeout: float | None = None) -> Exit | None:
        end = None if self.told else super().wait(timeout)
        self.told = end is not None
        return end


class _Rude(FakeSandbox):
    def stop(self, grace: float) -> None:
        self.finish(Exit(kind=ExitKind.SIGNALED, signal=signal.SIGKILL))


class StopIsRude(FakeRuntime):
    """It does not ask."""

    def sandbox(self, launch: Launch) -> FakeSandbox:
        return _Rude(launch, self.program(launch), time.monotonic)


class _Polite(FakeSandbox):
    def stop(self, grace: float) -> None:
        super().stop(3600)


class StopIsPolite(FakeRuntime):
    """It does nothing but ask."""

    def sandbox(self, launch: Launch) -> FakeSandbox:
        return _Polite(launch, self.program(launch), time.monotonic)


class _Waiting(FakeSandbox):
    def stop(self, grace: float) -> None:
        super().stop(grace)
        self.wait(grace / 400)


class StopWaits(FakeRuntime):
    """It waits for the end."""

    def sandbox(self, launch: Launch) -> FakeSandbox:
        return _Waiting(launch, self.program(launch), time.monotonic)


class _Blamed(FakeSandbox):
    stopped = False

    def stop(self, grace: float) -> None:
        self.stopped = True
        super().stop(grace)

    def wait(self, timeout: float | None = None) -> Exit | None:
        end = super().wait(timeout)
        return end and evolve(end, stopped=self.stopped)


class StopIsBlamed(FakeRuntime):
    """What had ended by itself was stopped."""

    def sandbox(self, launch: Launch) -> FakeSandbox:
        return _Blamed(launch, self.program(launch), time.monotonic)


class _Deaf(FakeSandbox):
    def stop(self, grace: float) -> None:
        if self.lines:
            super().stop(grace)


class LosesAnEarlyStop(FakeRuntime):
    """A stop before the first line is not heard."""

    def sandbox(self, launch: Launch) -> FakeSandbox:
        return _Deaf(launch, self.program(launch), time.monotonic)


class _Guessing(FakeSandbox):
    def wait(self, timeout: float | None = None) -> Exit | None:
        return super().wait(timeout) or Exit(kind=ExitKind.UNKNOWN)


class GuessesAnEnd(FakeRuntime):
    """Who waits for a time is told something."""

    def sandbox(self, launch: Launch) -> FakeSandbox:
        return _Guessing(launch, self.program(launch), time.monotonic)


class _Stubborn(FakeSandbox):
    def stop(self, grace: float) -> None:
        if not self.stopping:
            super().stop(grace)


class KeepsTheFirstGrace(FakeRuntime):
    """A second stop is not heard."""

    def sandbox(self, launch: Launch) -> FakeSandbox:
        return _Stubborn(launch, self.program(launch), time.monotonic)


class _Unmeasured(FakeSandbox):
    def stats(self) -> Stats | None:
        return None


class MeasuresNothing(FakeRuntime):
    """What a task uses it does not know."""

    def sandbox(self, launch: Launch) -> FakeSandbox:
        return _Unmeasured(launch, self.program(launch), time.monotonic)


class _Remembered(FakeSandbox):
    def stats(self) -> Stats | None:
        return super().stats() or Stats(1, 0.0, 1)


class MeasuresWhatIsGone(FakeRuntime):
    """What a task has used, it uses for ever."""

    def sandbox(self, launch: Launch) -> FakeSandbox:
        return _Remembered(launch, self.program(launch), time.monotonic)


class _Hasty(FakeSandbox):
    def on_end(self, call: Callable[[Exit], None]) -> None:
        call(Exit(kind=ExitKind.UNKNOWN))


class TellsAnEndTooEarly(FakeRuntime):
    """It tells an end that is not the one of `wait`."""

    def sandbox(self, launch: Launch) -> FakeSandbox:
        return _Hasty(launch, self.program(launch), time.monotonic)


class OutOfMemoryIsAKill(FakeRuntime):
    """Who killed it is not asked."""

    def sandbox(self, launch: Launch) -> FakeSandbox:
        sandbox = super().sandbox(launch)
        if 0 < launch.limits.memory < sandbox.program.memory:
            sandbox.finish(Exit(kind=ExitKind.SIGNALED, signal=signal.SIGKILL))
        return sandbox


class EndsAllForOne(FakeRuntime):
    """The limit is one for all."""

    def start(self, launch: Launch) -> FakeSandbox:
        sandbox = super().start(launch)
        if sandbox.wait(0) is not None:
            for other in self.attempts.values():
                other.finish(Exit(kind=ExitKind.OUT_OF_MEMORY, memory_peak=1))
        return sandbox


class OneAtATime(FakeRuntime):
    """The next begins when the one before has ended."""

    def start(self, launch: Launch) -> FakeSandbox:
        for other in self.attempts.values():
            if other.wait(0.1) is None:
                raise PlatformError("another attempt runs")
        return super().start(launch)


class LeavesADirectory(FakeRuntime):
    """It is made before the start fails."""

    def start(self, launch: Launch) -> FakeSandbox:
        made = Path(tempfile.mkdtemp())
        sandbox = super().start(launch)
        made.rmdir()
        return sandbox


class FailsWithoutAWord(FakeRuntime):
    """Why, it does not say."""

    def start(self, launch: Launch) -> FakeSandbox:
        try:
            return super().start(launch)
        except PlatformError as error:
            raise PlatformError from error


class FailsAsAnyError(FakeRuntime):
    """What failed below comes out as it is."""

    def start(self, launch: Launch) -> FakeSandbox:
        launch.workdir.resolve(strict=True)
        return super().start(launch)


class KeepsItsFolders(FakeRuntime):
    """One an attempt, for good."""

    def start(self, launch: Launch) -> FakeSandbox:
        Path(tempfile.gettempdir(), launch.uid).mkdir()
        return super().start(launch)


class KeepsFilesOpen(FakeRuntime):
    """One an attempt."""

    def start(self, launch: Launch) -> FakeSandbox:
        self.__dict__.setdefault("open", []).append(os.open(os.devnull, os.O_RDONLY))
        return super().start(launch)

    def close(self) -> None:
        for fd in self.__dict__.get("open", ()):
            os.close(fd)


class IgnoresImages(FakeRuntime):
    """Every attempt runs in the same one."""

    def start(self, launch: Launch) -> FakeSandbox:
        return super().start(evolve(launch, image=""))


class KeepsAThread(FakeRuntime):
    """One an attempt, until it is closed."""

    def __init__(self, act: Callable[[Launch], Program]) -> None:
        super().__init__(act)
        self._threads = get_thread_registry().container.child("kept")

    def start(self, launch: Launch) -> FakeSandbox:
        self._threads.spawn(lambda stop: stop.wait() and None, "kept")
        return super().start(launch)

    def close(self) -> None:
        self._threads.stop()


class KeepsZombies(FakeRuntime):
    """One an attempt: it has ended, and nobody has asked how."""

    def start(self, launch: Launch) -> FakeSandbox:
        self.__dict__.setdefault("ended", []).append(subprocess.Popen(["true"]))
        return super().start(launch)

    def close(self) -> None:
        for one in self.__dict__.get("ended", ()):
            one.wait()


class ForgetsOnce(FakeRuntime):
    """It cannot forget what it does not know."""

    def forget(self, uid: str) -> None:
        if uid not in self.attempts:
            raise PlatformError(f"there is no attempt {uid}")
        super().forget(uid)


BUGS: Final[dict[type[FakeRuntime], str]] = {
    TellsNoCode: "exit_code",
    SignalIsACode: "signal",
    ForgetsTheExit: "same_exit_on_every_wait",
    StopIsRude: "stop_asks_first",
    StopIsPolite: "stop_kills_after_the_grace",
    StopWaits: "stop_returns_at_once",
    StopIsBlamed: "stop_after_the_end_changes_nothing",
    LosesAnEarlyStop: "stop_right_after_the_start",
    GuessesAnEnd: "wait_expires",
    KeepsTheFirstGrace: "shorter_grace_shortens",
    MeasuresNothing: "stats",
    MeasuresWhatIsGone: "stats_after_the_end",
    TellsAnEndTooEarly: "on_end",
    OutOfMemoryIsAKill: "out_of_memory",
    EndsAllForOne: "memory_limit_ends_only_the_guilty",
    OneAtATime: "fifty_at_once",
    LeavesADirectory: "failed_start_leaves_nothing",
    FailsWithoutAWord: "failed_start_says_why",
    FailsAsAnyError: "failed_start_says_why",
    KeepsItsFolders: "no_file_is_left",
    KeepsFilesOpen: "no_open_file_is_left",
    IgnoresImages: "image_is_not_ignored",
    KeepsAThread: "no_thread_is_left",
    KeepsZombies: "no_process_is_left",
    ForgetsOnce: "forget_twice",
}
