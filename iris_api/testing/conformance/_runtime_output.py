"""Runtime: output arrives exactly, in order, and in time."""

from __future__ import annotations

import threading
import time

import pytest

from iris_api.testing.conformance._runtime_base import RuntimeBase, Start
from iris_api.testing.conformance._runtime_launch import Shell
from iris_api.testing.conformance._tasks import KeptOutput
from iris_api.testing.conformance.base import needs
from iris_api.testing.programs import BULK_LINE, Program

__all__ = ["RuntimeOutput"]

_BULK = 10 * 10**6 // (BULK_LINE + 1)  # lines of 10 MB
_WIDE, _WIDER = 60_000, 100_000  # characters of a line
_PART = 2**16 - 3  # bytes of a part of a longer line, in which no character is cut
_LATE = 0.3  # seconds in which a line that comes after the end is noticed
_CLOCKS = 5.0  # seconds by which a runtime's wall clock may differ


class RuntimeOutput(RuntimeBase):
    """All of it is in the sink when `wait` has returned an Exit."""

    @needs("output")
    def test_lines_are_exact(self, start: Start) -> None:
        """Each line arrives once, in order, without its newline, with its blanks; an empty one too, and
        one of 60,000 characters."""
        texts = ("first", "", "  two  words\t", "naïve ☃", "w" * _WIDE, "last")
        task = start(Program(lines=tuple(("stdout", text) for text in texts)))
        assert task.end().success
        assert task.output.of("stdout") == list(texts)

    @needs("output")
    def test_long_line(self, start: Start) -> None:
        """Of a line of more than 64 KiB nothing is lost: it arrives whole, or in parts of that size."""
        text = "".join(f"{number:09d}," for number in range(_WIDER // 10))
        task = start(Program(lines=(("stdout", text), ("stdout", "next"))))
        assert task.end().success
        *parts, last = task.output.of("stdout")
        assert ("".join(parts) == text, last) == (True, "next"), f"it came as {[len(one) for one in parts]}"
        assert all(len(part) >= _PART for part in parts[:-1])

    @needs("streams")
    def test_streams_stay_apart(self, start: Start) -> None:
        """A line comes with the stream that it was written to, and not with the other."""
        task = start(Program(lines=(("stdout", "out"), ("stderr", "err"), ("stdout", "out again"))))
        assert task.end().success
        assert task.output.of("stdout") == ["out", "out again"]
        assert task.output.of("stderr") == ["err"]

    @needs("output")
    @pytest.mark.parametrize("source", ["stdout", "stderr"])
    def test_last_line_without_newline(self, start: Start, source: str) -> None:
        """What is printed last, to stdout or to stderr, arrives also when no newline ends it."""
        task = start(Program(lines=((source, "whole"), (source, "torn")), open_end=True))
        assert task.end().success
        assert [text for _, text in task.output.entries] == ["whole", "torn"]

    @needs("output")
    def test_ten_megabytes(self, start: Start) -> None:
        """Ten megabytes arrive complete and in order, and all of it before `wait` returns."""
        task = start(Program(bulk=_BULK))
        assert task.end().success
        got = task.output.of("stdout")
        assert len(got) == _BULK
        wrong = [i for i, line in enumerate(got) if line != f"{i:0{BULK_LINE}d}"]
        assert not wrong, f"line {wrong[0]} is {got[wrong[0]]!r}"

    @needs("output")
    def test_output_is_live(self, start: Start) -> None:
        """A line is in the sink while the task goes on."""
        task = start(Program(lines=(("stdout", "ready"),), stays=True))
        assert task.line() == "ready"
        assert task.sandbox.wait(0) is None

    @needs("output")
    def test_nothing_comes_after_the_end(self, start: Start) -> None:
        """When `wait` has returned an Exit all output is there, and the sink is not called any more."""
        closed = _ClosingOutput()
        task = start(Program(lines=(("stdout", "a"), ("stderr", "b")), after=("c",)), output=closed)
        task.end()
        closed.changed.clear()
        before = list(closed.entries)
        assert ("stdout", "c") in before
        assert not closed.changed.wait(_LATE), f"came after the end: {closed.entries[len(before) :]}"

    @needs("output")
    def test_lines_are_stamped(self, start: Start) -> None:
        """The time of a line is that of its printing, in Unix microseconds, and never goes back."""
        began = time.time() - _CLOCKS
        task = start(Program(lines=tuple(("stdout", str(i)) for i in range(5))))
        task.end()
        times = task.output.times
        assert times == sorted(times)
        assert began * 1e6 <= times[0] <= times[-1] <= (time.time() + _CLOCKS) * 1e6

    @needs("output")
    def test_output_limit(self, start: Start) -> None:
        """No more than `output_limit` bytes of output are kept, and a line of the runtime's own says so. The
        task goes on."""
        limit, lines = 8000, 2000
        task = start(Program(bulk=lines, code=3), output_limit=limit)
        assert task.end().code == 3
        printed = {f"{i:0{BULK_LINE}d}" for i in range(lines)}
        texts = [text for _, text in task.output.entries]
        assert sum(len(text) + 1 for text in texts if text in printed) <= limit
        assert [text for text in texts if text not in printed], "nothing says that lines are missing"

    @needs("commands")
    def test_output_that_is_not_utf8(self, start: Start, shell: Shell) -> None:
        """Bytes that are no text do not keep the rest of a line, nor other lines, from arriving."""
        task = start(shell(r"printf 'a\377b\n\300\nlast\n'"))
        assert task.end().success
        first, _, last = task.output.of("stdout")
        assert (first[0], first[-1], last) == ("a", "b", "last")


class _ClosingOutput(KeptOutput):
    """It tells when something has come."""

    def __init__(self) -> None:
        super().__init__()
        self.changed = threading.Event()

    def write(self, source: str, data: str, timestamp_us: int) -> None:
        super().write(source, data, timestamp_us)
        self.changed.set()
