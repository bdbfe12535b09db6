"""The public interface of iris_api changes only on purpose, and with a word about it."""

import difflib

from tests.compat.api import FILE, lines


def test_the_public_interface_is_as_it_was_written_down() -> None:
    diff = list(
        difflib.unified_diff(FILE.read_text().splitlines(), lines(), "written down", "now", lineterm="", n=0)
    )
    told = "\n".join(diff)
    assert not diff, (
        f"the public interface of iris_api has changed:\n{told}\n"
        "Is it allowed (docs/plugins/compatibility.md)? Then add a line to CHANGELOG.md, and run: "
        "python -m tests.compat.api"
    )
