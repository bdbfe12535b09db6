"""A daemon's bytes become lines with their time, up to a limit."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from iris_api.supervised._spool import MAX_LINE
from iris_backends.docker.output import TAIL_LINES, Frame, Lines, stamp_ns
from tests.docker.frames import PART, framed, lines_of, parts, stamp

SOURCES = st.sampled_from(["stdout", "stderr"])
TEXTS = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=40)
LONG = st.sampled_from([0, PART - 1, PART, PART + 1, 2 * PART, MAX_LINE - 1, MAX_LINE, MAX_LINE + 1, 150_001])


@st.composite
def printed(draw: st.DrawFn) -> list[tuple[str, str]]:
    """Some lines, a few of them long, and of characters of several bytes."""
    lines = draw(st.lists(st.tuples(SOURCES, TEXTS), max_size=8))
    wide = draw(st.lists(st.tuples(SOURCES, st.sampled_from("aä☃𝄞"), LONG), max_size=2))
    return draw(st.permutations(lines + [(source, char * (size // 2)) for source, char, size in wide]))


def frames_of(lines: list[tuple[str, str]]) -> list[Frame]:
    return [
        frame
        for number, (source, text) in enumerate(lines)
        for frame in parts(source, stamp(number), text.encode() + b"\n")
    ]


@given(printed(), st.lists(st.floats(0, 1), max_size=6))
def test_however_the_bytes_are_cut_the_lines_are_the_same(
    lines: list[tuple[str, str]], cuts: list[float]
) -> None:
    data = framed(frames_of(lines))
    places = sorted({0, len(data), *(int(cut * len(data)) for cut in cuts)})
    assert lines_of([data[a:b] for a, b in pairwise(places)]) == lines_of([data])


def test_bytes_may_come_one_by_one() -> None:
    data = framed([Frame("stdout", stamp(1), "naïve\n".encode()), Frame("stderr", stamp(2), b"\n")])
    assert [line[:2] for line in lines_of([bytes([byte]) for byte in data])] == [
        ("stdout", "naïve"),
        ("stderr", ""),
    ]


@given(printed())
@example([("stdout", "ä" * 40_000)])
@example([("stdout", "☃" * 50_000), ("stderr", "x" * (MAX_LINE + 1))])
def test_all_that_is_printed_comes_and_nothing_else(lines: list[tuple[str, str]]) -> None:
    """Of a long line the parts come, with every character whole; lines of the two streams are not mixed."""
    found = lines_of([framed(frames_of(lines))])
    for source in ("stdout", "stderr"):
        texts = iter([text for of, text, _ in found if of == source])
        for _, text in [line for line in lines if line[0] == source]:
            got = part = next(texts)
            while len(got) < len(text):
                assert MAX_LINE - 3 <= len(part.encode()) <= MAX_LINE
                part = next(texts)
                got += part
            assert hash(got) == hash(text)  # short where it fails
        assert not list(texts)


def test_streams_interleave_within_a_line() -> None:
    out = parts("stdout", stamp(1), b"a" * PART + b"b\n")
    error = Frame("stderr", stamp(2), b"error\n")
    assert lines_of([framed([out[0], error, out[1]])]) == [
        ("stderr", "error", stamp_ns(stamp(2)) // 1000),
        ("stdout", "a" * PART + "b", stamp_ns(stamp(2)) // 1000),
    ]


def test_a_long_line_that_has_lost_its_newline_ends_with_the_next() -> None:
    """As engine 20.10 tells it with its driver `local`."""
    long = parts("stdout", stamp(1), b"x" * (PART + 10))
    found = lines_of([framed([*long, Frame("stdout", stamp(2), b"next\n")])])
    assert [text for _, text, _ in found] == ["x" * (PART + 10), "next"]


def test_what_has_no_newline_comes_at_the_end() -> None:
    found = lines_of([framed([Frame("stdout", stamp(1), b"torn"), Frame("stderr", stamp(2), b"too")])])
    assert sorted(found) == [
        ("stderr", "too", stamp_ns(stamp(2)) // 1000),
        ("stdout", "torn", stamp_ns(stamp(2)) // 1000),
    ]


def test_what_is_no_text_keeps_nothing_else_from_coming() -> None:
    assert lines_of([framed([Frame("stdout", stamp(1), b"a\xffb\nc\n")])])[0][1] == "a\ufffdb"


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=20))
def test_times_never_go_back(times: list[int]) -> None:
    frames = [Frame("stdout", stamp(at), b"%d\n" % at) for at in times]
    told = [at for _, _, at in lines_of([framed(frames)])]
    assert told == sorted(told)
    assert told[-1] == stamp_ns(stamp(max(times))) // 1000


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        (b"1970-01-01T00:00:01.000000001Z", 1_000_000_001),
        (b"1970-01-01T09:00:01.000000001+09:00", 1_000_000_001),
        (b"1969-12-31T19:30:01.500000000-04:30", 1_500_000_000),
        (b"1970-01-01T00:00:01.25Z", 1_250_000_000),
        (b"1970-01-01T00:00:01Z", 1_000_000_000),
    ],
)
def test_a_stamp_in_any_zone(text: bytes, nanoseconds: int) -> None:
    assert stamp_ns(text) == nanoseconds


def test_the_daemon_has_a_word_of_its_own() -> None:
    """It has no time, and is neither a line of the task nor the end of a torn one."""
    found = lines_of(
        [
            framed(
                [
                    Frame("stdout", stamp(1), b"torn"),
                    Frame("", b"", b"Error grabbing logs: unexpected EOF\n"),
                ]
            )
        ]
    )
    assert [line[:2] for line in found] == [
        ("stderr", "[iris: the Docker daemon: Error grabbing logs: unexpected EOF]"),
        ("stdout", "torn"),
    ]


def numbered(count: int) -> bytes:
    return framed([Frame("stdout", stamp(number), b"%08d\n" % number) for number in range(count)])


def test_no_more_than_the_limit_comes() -> None:
    """The beginning, a line that says that something is missing, and the last lines."""
    limit, count = 9000, 5000
    found = [text for _, text, _ in lines_of([numbered(count)], limit)]
    own = [text for text in found if text.startswith("[iris")]
    lines = [text for text in found if text not in own]
    assert sum(len(text) + 1 for text in lines) <= limit
    first, last = lines[:-TAIL_LINES], lines[-TAIL_LINES:]
    assert first == [f"{number:08}" for number in range(len(first))]
    assert last == [f"{number:08}" for number in range(count - TAIL_LINES, count)]
    assert own == [
        "[iris: output truncated after 9000 bytes; its last lines follow at the end]",
        f"[iris: {count - len(lines)} lines dropped here]",
    ]
    assert found.index(own[1]) == len(first) + 1


def test_what_is_within_the_limit_comes_whole() -> None:
    """Some room is kept for the last lines."""
    texts = [text for _, text, _ in lines_of([numbered(700)], 9000)]
    assert texts == [f"{number:08}" for number in range(700)]


def test_a_limit_of_nothing_keeps_nothing() -> None:
    texts = [text for _, text, _ in lines_of([numbered(3)], 0)]
    assert texts == [
        "[iris: output truncated after 0 bytes; its last lines follow at the end]",
        "[iris: 3 lines dropped here]",
    ]


def test_times_of_the_tail_do_not_go_back() -> None:
    told = [at for _, _, at in lines_of([numbered(5000)], 9000)]
    assert told == sorted(told)


def test_the_last_lines_may_be_told_by_the_daemon_instead() -> None:
    """Who follows a log may miss some."""
    found: list[str] = []
    lines = Lines(9000, lambda _source, text, _at: found.append(text))
    for number in range(5000):
        lines.add(Frame("stdout", stamp(number), b"%08d\n" % number))
    assert lines.is_past_tail()
    last = range(9000 - TAIL_LINES, 9000)
    lines.end_with([Frame("stdout", stamp(number), b"%08d\n" % number) for number in last])
    lines.finish()
    assert found[-TAIL_LINES:] == [f"{number:08}" for number in last]
    handed_on = len(found) - 2 - TAIL_LINES
    assert found[handed_on + 1] == f"[iris: {5000 - handed_on - TAIL_LINES} lines dropped here]"


@pytest.mark.parametrize(
    ("count", "past"), [(0, False), (749, False), (750 + TAIL_LINES, False), (900, True)]
)
def test_while_some_of_the_last_lines_have_been_handed_on_they_are_known(count: int, past: bool) -> None:
    """Of a limit of 9000 bytes, of which a quarter is kept for them."""
    lines = Lines(9000, lambda *_: None)
    for number in range(count):
        lines.add(Frame("stdout", stamp(number), b"%08d\n" % number))
    assert lines.is_past_tail() is past
