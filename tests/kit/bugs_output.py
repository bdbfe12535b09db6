"""Runtimes whose output is broken, and the rule of the kit that has to find it."""

from __future__ import annotations

import threading
import time
from typing import Final

from attrs import evolve, frozen

from iris_api.platform import Launch, LogSink
from iris_api.testing import FakeRuntime, FakeSandbox, Program

__all__ = ["BUGS"]


class LosesTheTornLine(FakeRuntime):
    """It waits for a newline."""

    def program(self, launch: Launch) -> Program:
        program = super().program(launch)
        return evolve(program, lines=program.lines[:-1]) if program.open_end else program


class LosesTheTornError(FakeRuntime):
    """It waits for a newline, on stderr alone."""

    def program(self, launch: Launch) -> Program:
        program = super().program(launch)
        torn = program.open_end and program.lines[-1][0] == "stderr"
        return evolve(program, lines=program.lines[:-1]) if torn else program


class CutsLines(FakeRuntime):
    """A line has as many characters as its buffer."""

    most = 200

    def program(self, launch: Launch) -> Program:
        program = super().program(launch)
        return evolve(program, lines=tuple((source, text[: self.most]) for source, text in program.lines))


class CutsLongLines(CutsLines):
    """What goes beyond 64 KiB is gone."""

    most = 65536


@frozen
class OneStream:
    sink: LogSink

    def write(self, source: str, data: str, timestamp_us: int) -> None:
        self.sink.write("stdout", data, timestamp_us)


class MixesStreams(FakeRuntime):
    """Both go through one pipe."""

    def sandbox(self, launch: Launch) -> FakeSandbox:
        return super().sandbox(evolve(launch, output=OneStream(launch.output)))


class StripsLines(FakeRuntime):
    """Blanks at the ends of a line are taken for nothing."""

    def program(self, launch: Launch) -> Program:
        program = super().program(launch)
        return evolve(program, lines=tuple((source, text.strip()) for source, text in program.lines))


class CutsOutput(FakeRuntime):
    """What is more than a pipe holds is gone."""

    def program(self, launch: Launch) -> Program:
        program = super().program(launch)
        return evolve(program, bulk=min(program.bulk, 1300))


class TellsTooLate(FakeRuntime):
    """The last lines come when `wait` has long returned."""

    def program(self, launch: Launch) -> Program:
        program = super().program(launch)
        late = [("stdout", text, time.time_ns() // 1000) for text in program.after]
        for line in late:
            threading.Timer(0.1, launch.output.write, line).start()
        return evolve(program, after=())


class TellsTwice(FakeRuntime):
    """A reader goes on after the end."""

    def start(self, launch: Launch) -> FakeSandbox:
        sandbox = super().start(launch)
        threading.Timer(0.1, launch.output.write, ("stdout", "again", 0)).start()
        return sandbox


class TellsAtTheEnd(FakeRuntime):
    """Output is handed over when the attempt has ended."""

    def program(self, launch: Launch) -> Program:
        program = super().program(launch)
        return evolve(program, lines=()) if program.stays else program


class StampsNothing(FakeRuntime):
    """Lines have no time."""

    def sandbox(self, launch: Launch) -> FakeSandbox:
        return super().sandbox(evolve(launch, output=Unstamped(launch.output)))


@frozen
class Unstamped:
    sink: LogSink

    def write(self, source: str, data: str, timestamp_us: int) -> None:
        self.sink.write(source, data, 0)


class KeepsAllOutput(FakeRuntime):
    """It knows no limit."""

    def sandbox(self, launch: Launch) -> FakeSandbox:
        return super().sandbox(evolve(launch, output_limit=2**40))


BUGS: Final[dict[type[FakeRuntime], str]] = {
    LosesTheTornLine: "last_line_without_newline",
    LosesTheTornError: "last_line_without_newline",
    CutsLines: "lines_are_exact",
    CutsLongLines: "long_line",
    MixesStreams: "streams_stay_apart",
    StripsLines: "lines_are_exact",
    CutsOutput: "ten_megabytes",
    TellsTooLate: "nothing_comes_after_the_end",
    TellsTwice: "nothing_comes_after_the_end",
    TellsAtTheEnd: "output_is_live",
    StampsNothing: "lines_are_stamped",
    KeepsAllOutput: "output_limit",
}
