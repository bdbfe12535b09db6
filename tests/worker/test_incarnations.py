"""The processes of a worker's directory are counted, so that an old one is known for what it is."""

from __future__ import annotations

import itertools
from pathlib import Path

from iris_api.rpc.incarnation import next_incarnation, precedes
from iris_worker.claim import Claim


def start(directory: Path) -> str:
    """A process of a worker that starts, and ends."""
    claim = Claim(directory)
    claim.release()
    return claim.incarnation


def test_each_start_on_a_directory_comes_after_the_last(tmp_path: Path) -> None:
    starts = [start(tmp_path) for _ in range(12)]
    for earlier, later in itertools.pairwise(starts):
        assert precedes(earlier, later)
        assert not precedes(later, earlier)
    assert precedes(starts[0], starts[-1])  # as numbers, not as words


def test_those_of_different_directories_have_no_order(tmp_path: Path) -> None:
    one, other = start(tmp_path / "one"), start(tmp_path / "other")
    assert not precedes(one, other)
    assert not precedes(other, one)


def test_words_of_another_form_have_no_order() -> None:
    counted = next_incarnation("")
    for word in ("", "first", "0123456789abcdef", f"{counted}.more", counted.replace(".1.", ".x.")):
        assert not precedes(word, counted)
        assert not precedes(counted, word)


def test_what_cannot_be_read_begins_anew(tmp_path: Path) -> None:
    before = start(tmp_path)
    (tmp_path / "incarnation").write_bytes(b"\xff\xfe torn")
    after = start(tmp_path)
    assert not precedes(before, after)
    assert precedes(after, start(tmp_path))


def test_a_count_that_was_set_back_makes_no_two_alike(tmp_path: Path) -> None:
    start(tmp_path)
    kept = (tmp_path / "incarnation").read_text()
    second = start(tmp_path)
    (tmp_path / "incarnation").write_text(kept)
    again = start(tmp_path)
    assert second != again
    assert not precedes(again, second)


def test_a_directory_that_takes_no_file_costs_the_order_only(tmp_path: Path) -> None:
    before = start(tmp_path)
    (tmp_path / "incarnation").unlink()
    (tmp_path / "incarnation").mkdir()
    after = start(tmp_path)
    assert after
    assert not precedes(before, after)
