"""A container's output goes on where a connection was cut."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st

from iris_backends.docker.output import Frame, stamp_ns
from iris_backends.docker.resume import Chunks, Seen
from tests.docker.frames import chunked, stamp

SECOND = 10**9


@given(st.lists(st.binary(max_size=30), max_size=8), st.lists(st.floats(0, 1), max_size=8), st.booleans())
def test_chunks_however_they_are_cut(pieces: list[bytes], cuts: list[float], whole: bool) -> None:
    data = chunked(*pieces, whole=whole)
    places = sorted({0, len(data), *(int(cut * len(data)) for cut in cuts)})
    chunks = Chunks()
    assert b"".join(chunks.feed(data[a:b]) for a, b in pairwise(places)) == b"".join(pieces)
    assert chunks.whole == whole


def test_a_body_is_not_whole_before_its_last_byte_counts() -> None:
    chunks = Chunks()
    data = chunked(b"x" * 20, b"y")
    for byte in data[: -len(b"\r\n\r\n") - 1]:
        chunks.feed(bytes([byte]))
    assert not chunks.whole


class Log:
    """What a daemon keeps of a container, and tells again from a time on."""

    def __init__(self, frames: list[Frame]) -> None:
        self.frames = frames

    def since(self, text: str) -> list[Frame]:
        seconds, _, nanos = text.partition(".")
        first = int(seconds) * SECOND + int(nanos) if text else 0
        return [frame for frame in self.frames if stamp_ns(frame.stamp) >= first]


def followed(log: Log, cuts: list[int]) -> list[Frame]:
    """All that is new, of connections that are cut after so many frames, and a last one that is not."""
    seen, found = Seen(), []
    for count in [*cuts, len(log.frames)]:
        found += [frame for frame in log.since(seen.begin_again())[:count] if seen.is_new(frame)]
    return found


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """Frames of two streams: times of each grow or stay, as those of the parts of a line; those of both
    together are out of order by little."""
    frames, now = [], {"stdout": 0, "stderr": 0}
    for number, source in enumerate(draw(st.lists(st.sampled_from(["stdout", "stderr"]), max_size=12))):
        behind = max(now.values()) - SECOND // 2
        now[source] = max(now[source], behind) + draw(st.sampled_from([0, 0, 1, SECOND // 3, 5 * SECOND]))
        frames.append(Frame(source, stamp(now[source]), b"%d" % number))
    return Log(frames)


@given(logs(), st.lists(st.integers(0, 12), max_size=4))
def test_nothing_comes_twice_and_nothing_is_lost(log: Log, cuts: list[int]) -> None:
    found = followed(log, cuts)
    for source in ("stdout", "stderr"):
        assert [f for f in found if f.source == source] == [f for f in log.frames if f.source == source]


def test_all_is_asked_for_while_nothing_has_come() -> None:
    assert Seen().begin_again() == ""


def test_little_is_asked_for_again() -> None:
    seen = Seen()
    for second in range(100):
        seen.is_new(Frame("stdout", stamp(second * SECOND), b""))
    seconds, _, nanos = seen.begin_again().partition(".")
    assert stamp_ns(stamp(99 * SECOND)) - (int(seconds) * SECOND + int(nanos)) <= 2 * SECOND


@given(logs(), st.integers(0, 12), st.integers(0, 12))
def test_what_is_missing_of_the_last_is_known(log: Log, come: int, last: int) -> None:
    """Of each stream what came after the last that has come. They begin with a line, not within one."""
    seen = Seen()
    for frame in log.frames[:come]:
        seen.is_new(frame)
    before, told = log.frames[: max(0, len(log.frames) - last)], log.frames[max(0, len(log.frames) - last) :]
    assume(not {(f.source, f.stamp) for f in before} & {(f.source, f.stamp) for f in told})
    assert seen.missing(told) == [frame for frame in told if frame not in log.frames[:come]]


def test_the_daemons_own_words_are_not_missing() -> None:
    assert Seen().missing([Frame("", b"", b"Error grabbing logs")]) == []
