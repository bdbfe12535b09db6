"""What `file` promises: the rules of every resolver, run on it. Only tests import this."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from iris_api.resolver import Resolver
from iris_api.testing import Installed, ResolverConformance

__all__ = ["TestFile"]


class Table:
    """The file as somebody edits it. JSON's strings and lists are TOML's, too."""

    def __init__(self, plugin: Installed, path: Path) -> None:
        self._plugin, self._path = plugin, path
        self._names: dict[str, list[str]] = {}

    def resolver(self) -> Resolver:
        return self._plugin.resolver()

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
    def registry(self, installed: Callable[..., Installed], tmp_path: Path) -> Table:
        path = tmp_path / "names.toml"
        return Table(installed("file", path=path), path)
