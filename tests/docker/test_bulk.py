"""Much output of a container, on the real daemon."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from iris_api.testing.conformance._tasks import Task
from iris_backends.docker.output import TAIL_LINES

Start = Callable[..., Task]


def python(code: str) -> tuple[str, ...]:
    return ("python3", "-c", code)


@pytest.mark.slow
def test_two_hundred_thousand_lines_are_complete_and_in_order(start: Start) -> None:
    """Of two streams, a flush for each line of one of them."""
    code = (
        "import sys\n"
        "for i in range(100_000):\n"
        "    sys.stdout.write(f'{i:050}\\n'); sys.stderr.write(f'{i:050}\\n')\n"
    )
    task = start(python(code), env={"PYTHONUNBUFFERED": ""})
    assert task.end(120).success
    wanted = [f"{i:050}" for i in range(100_000)]
    for source in ("stdout", "stderr"):
        got = task.output.of(source)
        assert len(got) == 100_000
        assert [pair for pair in zip(got, wanted, strict=True) if pair[0] != pair[1]] == []


def test_long_lines_are_whole_characters(start: Start) -> None:
    """The daemon cuts lines where it likes, after 16 KiB."""
    texts = ["a" + "ä" * 20_000, "☃" * 10_000, "short", "x" * 16384, "last"]
    code = "for text in ('a' + 'ä' * 20_000, '☃' * 10_000, 'short', 'x' * 16384, 'last'): print(text)"
    task = start(python(code))
    assert task.end().success
    got = task.output.of("stdout")
    assert [len(text) for text in got] == [len(text) for text in texts]
    assert [hash(text) for text in got] == [hash(text) for text in texts]


def test_the_last_lines_come_however_much_was_dropped(start: Start) -> None:
    """The daemon itself has dropped most of it by then."""
    count, limit = 100_000, 2**18
    code = f"for i in range({count}): print(f'{{i:050}}')\nimport sys; sys.exit(3)"
    task = start(python(code), output_limit=limit, env={"PYTHONUNBUFFERED": ""})
    assert task.end(60).code == 3
    lines = task.output.of("stdout")
    assert lines[-TAIL_LINES:] == [f"{i:050}" for i in range(count - TAIL_LINES, count)]
    first = len(lines) - TAIL_LINES
    assert lines[:first] == [f"{i:050}" for i in range(first)]
    assert sum(len(line) + 1 for line in lines) <= limit
    told = [line for line in task.output.of("stderr") if line.startswith("[iris")]
    assert len(told) == 2
