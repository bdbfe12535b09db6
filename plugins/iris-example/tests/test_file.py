"""The resolver `file`: the rules of Iris, and what a table may hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from iris_api.errors import TransportError
from iris_example.file import FileResolver
from iris_example.file_conformance import TestFile

__all__ = ["TestFile"]


def test_one_address_needs_no_list(tmp_path: Path) -> None:
    path = tmp_path / "names.toml"
    path.write_text('calc = "mem://127.0.0.1:1"\n')
    assert [one.address for one in FileResolver(path).resolve("calc")] == ["mem://127.0.0.1:1"]


@pytest.mark.parametrize("text", ["calc = ", "calc = 1", "calc = [1]"])
def test_a_table_that_cannot_be_used_says_which(tmp_path: Path, text: str) -> None:
    path = tmp_path / "names.toml"
    path.write_text(text)
    with pytest.raises(TransportError, match=r"names\.toml"):
        FileResolver(path).resolve("calc")
