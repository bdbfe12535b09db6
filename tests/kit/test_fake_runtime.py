"""What a test can make attempts of the fake runtime do."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from iris_api.errors import PlatformError
from iris_api.jobs import Entry
from iris_api.platform import Exit, ExitKind
from iris_api.testing import FakeRuntime, FakeSandbox, Program, VirtualClock
from tests.backends.support import KeptOutput, launch

DONE = Exit(kind=ExitKind.EXITED, code=0)


def start(runtime: FakeRuntime, workdir: Path, sink: KeptOutput | None = None) -> FakeSandbox:
    made = launch(workdir, Entry(argv=("anything",)), sink=sink)
    runtime.start(made)
    return runtime.attempts[made.uid]


def test_an_attempt_does_what_the_test_says(tmp_path: Path) -> None:
    runtime, sink = FakeRuntime(), KeptOutput()
    attempt = start(runtime, tmp_path, sink)
    assert attempt.wait(0) is None
    attempt.print("hello")
    attempt.finish(DONE)
    attempt.print("too late")
    assert (attempt.wait(), sink.entries) == (DONE, [("stdout", "hello")])


def test_an_end_wakes_who_waits(tmp_path: Path) -> None:
    runtime = FakeRuntime()
    attempt = start(runtime, tmp_path)
    timer = threading.Timer(0.05, attempt.finish, [DONE])
    timer.start()
    assert attempt.wait(10) == DONE
    timer.join()


def test_a_grace_is_over_when_the_clock_says_so(tmp_path: Path) -> None:
    clock = VirtualClock()
    runtime = FakeRuntime(lambda made: Program(stays=True, on_stop="ignore"), clock=clock.now)
    attempt = start(runtime, tmp_path)
    attempt.stop(30)
    clock.advance(29)
    assert attempt.wait(0) is None
    clock.advance(1)
    end = attempt.wait(0)
    assert end is not None
    assert (end.signal, end.stopped) == (signal.SIGKILL, True)


def test_the_next_worker_adopts(tmp_path: Path) -> None:
    """With the output from the first line; the earlier one has it no more."""
    earlier, sink = FakeRuntime(), KeptOutput()
    attempt = start(earlier, tmp_path)
    attempt.print("first")
    runtime = FakeRuntime(before=earlier)
    (sandbox,) = runtime.adopt(lambda _: sink)
    runtime.attempts[attempt.uid].print("second")
    assert (sandbox.uid, sink.of("stdout")) == (attempt.uid, ["first", "second"])
    assert earlier.attempts == {}
    runtime.forget(attempt.uid)
    assert runtime.attempts == {}


def test_starts_can_be_made_to_fail(tmp_path: Path) -> None:
    runtime = FakeRuntime()
    runtime.fail("the disk is full")
    with pytest.raises(PlatformError, match="the disk is full"):
        start(runtime, tmp_path)
    runtime.fail("")
    start(runtime, tmp_path)
