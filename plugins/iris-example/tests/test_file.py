"""`file` keeps what Iris asks of every resolver."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import pytest

from iris_api.errors import TransportError
from iris_api.resolver import Resolver
from iris_api.testing import ResolverConformance
from iris_example.file import FileResolver


class Table:
    """The file as somebody edits it. JSON's strings and lists are TOML's, too."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names: dict[str, list[str]] = {}

    def resolver(self) -> Resolver:
        return FileResolver(self._path)

    def register(self, name: str, address: str) -> str:
        self._names.setdefault(name, []).append(address)
        self._write()
        return f"{name} {address}"

    def unregister(self, uid: str) -> None:
        name, _, address = uid.partition(" ")
        self._names[name].remove(address)
        self._write()

    def _write(self) -> None:
        draft = self._path.with_suffix(".new")
        draft.write_text("".join(f"{name} = {json.dumps(found)}\n" for name, found in self._names.items()))
        draft.rename(self._path)


class TestFile(ResolverConformance):
    not_promised: ClassVar = {
        "uids": "a line in a file is no registration",
        "outages": "a file is never out of reach",
    }

    @pytest.fixture
    def registry(self, tmp_path: Path) -> Table:
        return Table(tmp_path / "names.toml")


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
