"""FakeRuntime: attempts that are nothing but what a test says of them."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from attrs import evolve

from iris_api.errors import PlatformError
from iris_api.platform import Exit, ExitKind, Launch, LogSink, Runtime, Sandbox, Stats
from iris_api.testing.programs import BULK_LINE, GOODBYE, Program

__all__ = ["FakeRuntime", "FakeSandbox"]

_LOOK = 0.005  # seconds between two looks at the clock and for files
_SMALL = 2**20  # bytes of a program that says nothing about memory


class FakeSandbox(Sandbox):
    """It does what `program` says, or what a test has it print and how a test ends it. No thread and no
    process is behind it: time and files are looked at by who waits."""

    def __init__(self, launch: Launch, program: Program, clock: Callable[[], float]) -> None:
        self.uid, self.launch, self.program = launch.uid, launch, program
        self.lines: list[tuple[str, str, int]] = []  # all that was printed: source, text, microseconds
        self._clock = clock
        self._sink = launch.output
        self._room: int | None = launch.output_limit
        self._changed = threading.Condition(threading.RLock())
        self._kill_at: float | None = None
        self._exit: Exit | None = None
        self._calls: list[Callable[[Exit], None]] = []

    @property
    def stopping(self) -> bool:
        """Whether it was asked to end."""
        return self._kill_at is not None

    def print(self, text: str, source: str = "stdout") -> None:
        """A line of its output, unless it has ended."""
        with self._changed:
            if self._exit is None and self._has_room(text):
                self._write(source, text)

    def finish(self, end: Exit) -> None:
        """How it ends. The first end counts; `stopped` is as it was."""
        with self._changed:
            if self._exit is not None:
                return
            self._exit = told = evolve(end, stopped=self.stopping)
            self._changed.notify_all()
            calls, self._calls = self._calls, []
        for call in calls:
            call(told)

    def on_end(self, call: Callable[[Exit], None]) -> None:
        with self._changed:
            end = self._exit
            if end is None:
                self._calls.append(call)
        if end is not None:
            call(end)

    def begin(self) -> None:
        """What the program does before it waits for anything."""
        limit, taken = self.launch.limits.memory, self._memory()
        if limit and taken > limit:
            self.finish(Exit(kind=ExitKind.OUT_OF_MEMORY, memory_peak=limit, message="out of memory"))
            return
        for source, text in self.program.lines:
            self.print(text, source)
        for index in range(self.program.bulk):
            self.print(f"{index:0{BULK_LINE}d}")
        if self.program.touches:
            (self.launch.workdir / self.program.touches).touch()
        self._look()

    def follow(self, sink: LogSink) -> None:
        """Another worker process has it now, and gets its output from the first line."""
        with self._changed:
            self._sink = sink
            for source, text, micros in self.lines:
                sink.write(source, text, micros)

    def wait(self, timeout: float | None = None) -> Exit | None:
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while (end := self._look()) is None:
                left = _LOOK if deadline is None else deadline - time.monotonic()
                if left <= 0:
                    return None
                self._changed.wait(min(_LOOK, left))
            return end

    def stop(self, grace: float) -> None:
        with self._changed:
            if self._look() is not None:
                return
            first, at = not self.stopping, self._clock() + max(0.0, grace)
            self._kill_at = at if self._kill_at is None else min(at, self._kill_at)
            if first:
                self._obey()

    def stats(self) -> Stats | None:
        with self._changed:
            return None if self._look() is not None else Stats(self._memory(), 0.0, 1)

    def _obey(self) -> None:
        if self.program.on_stop == "die":
            self.finish(Exit(kind=ExitKind.SIGNALED, signal=signal.SIGTERM, memory_peak=self._memory()))
        elif self.program.on_stop == "obey":
            word, code = GOODBYE
            self.print(word)
            self.finish(Exit(kind=ExitKind.EXITED, code=code, memory_peak=self._memory()))

    def _look(self) -> Exit | None:
        """Its end, as far as time and files have brought it."""
        if self._exit is None and self._kill_at is not None and self._clock() >= self._kill_at:
            self.finish(Exit(kind=ExitKind.SIGNALED, signal=signal.SIGKILL, memory_peak=self._memory()))
        until = self.program.until
        if self._exit is None and not (until and not (self.launch.workdir / until).exists()):
            self._go_on()
        return self._exit

    def _go_on(self) -> None:
        if self.program.stays:
            return
        for text in self.program.after:
            self.print(text)
        code, number = self.program.code, self.program.signal
        if number:
            self.finish(Exit(kind=ExitKind.SIGNALED, signal=number, memory_peak=self._memory()))
        else:
            self.finish(Exit(kind=ExitKind.EXITED, code=code, memory_peak=self._memory()))

    def _memory(self) -> int:
        return self.program.memory or _SMALL

    def _has_room(self, text: str) -> bool:
        """Whether the limit of output leaves room for a line; the first that it does not is told of."""
        if self._room is None:
            return False
        self._room -= len(text.encode()) + 1
        if self._room >= 0:
            return True
        self._room = None
        self._write("stderr", f"[fake: output truncated after {self.launch.output_limit} bytes]")
        return False

    def _write(self, source: str, text: str) -> None:
        line = (source, text, time.time_ns() // 1000)
        self.lines.append(line)
        self._sink.write(*line)


class FakeRuntime(Runtime):
    """Runs nothing: each attempt does what `act` says about its launch, or stays until a test ends it::

        runtime = FakeRuntime()
        ...                                       # something starts attempt `uid` on it
        runtime.attempts[uid].print("hello")
        runtime.attempts[uid].finish(Exit(kind=ExitKind.EXITED, code=0))

    `clock` decides when a grace is over. `before` is the runtime of an earlier worker process: what runs
    there is found by `adopt`.
    """

    def __init__(
        self,
        act: Callable[[Launch], Program] = lambda launch: Program(stays=True),
        *,
        clock: Callable[[], float] = time.monotonic,
        before: FakeRuntime | None = None,
    ) -> None:
        self._act, self._clock, self._before = act, clock, before
        self._lock = threading.Lock()
        self._attempts: dict[str, FakeSandbox] = {}
        self._broken = ""

    @property
    def attempts(self) -> Mapping[str, FakeSandbox]:
        """By uid: those that were started or adopted, and are not forgotten."""
        with self._lock:
            return dict(self._attempts)

    def fail(self, why: str) -> None:
        """Have every start fail; an empty text mends that."""
        self._broken = why

    def program(self, launch: Launch) -> Program:
        """What an attempt does; asked once."""
        return self._act(launch)

    def start(self, launch: Launch) -> FakeSandbox:
        why = self._broken or _refusal(launch)
        if why:
            raise PlatformError(f"attempt {launch.uid} cannot be started: {why}")
        sandbox = self.sandbox(launch)
        with self._lock:
            if launch.uid in self._attempts:
                raise PlatformError(f"attempt {launch.uid} has been started before")
            self._attempts[launch.uid] = sandbox
        sandbox.begin()
        return sandbox

    def sandbox(self, launch: Launch) -> FakeSandbox:
        """A sandbox that has not begun."""
        return FakeSandbox(launch, self.program(launch), self._clock)

    def adopt(self, sink_for: Callable[[str], LogSink]) -> Sequence[FakeSandbox]:
        found = self._before._hand_over() if self._before is not None else {}
        for uid, sandbox in found.items():
            sandbox.follow(sink_for(uid))
        with self._lock:
            self._attempts.update(found)
        return list(found.values())

    def forget(self, uid: str) -> None:
        with self._lock:
            self._attempts.pop(uid, None)

    def close(self) -> None:
        """Nothing is held open."""

    def _hand_over(self) -> dict[str, FakeSandbox]:
        with self._lock:
            found, self._attempts = self._attempts, {}
            return found


def _refusal(launch: Launch) -> str:
    if launch.image:
        return f"there is no image {launch.image!r} here"
    return "" if launch.workdir.is_dir() else f"there is no directory {launch.workdir}"
