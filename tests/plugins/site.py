"""Distributions as an installer leaves them: a dist-info folder beside its modules, on sys.path."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from attrs import frozen

__all__ = ["PLATFORM", "Site", "site"]

PLATFORM = """
from attrs import frozen
from iris_api.hookspecs import hookimpl
from iris_api.platform import Platform
from iris_api.provider import Provider

@frozen
class Options:
    size: int = 3

class Made(Platform):
    def __init__(self, options, context):
        self.options = options
    def close(self):
        pass

@hookimpl
def iris_platform():
    return Provider(Options, Made, "a platform of a test")
"""


@frozen
class Site:
    """A folder on sys.path that distributions are put into."""

    root: Path

    def add(
        self, package: str, version: str, plugins: Mapping[str, str], folder: str = "", requires: str = ""
    ) -> Path:
        """Install `package` with plugins: name -> source of the module. Returns its dist-info folder."""
        root = self.root / folder
        lines = ["[iris]"]
        for name, source in plugins.items():
            module = f"{package}_{name}".replace("-", "_")
            (root / f"{module}.py").write_text(source)
            lines.append(f"{name} = {module}")
        return self.add_metadata(package, version, "\n".join(lines), folder, requires)

    def add_metadata(
        self, package: str, version: str, entry_points: str, folder: str = "", requires: str = ""
    ) -> Path:
        info = self.root / folder / f"{package.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        needs = f"Requires-Dist: {requires}\n" if requires else ""
        text = f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n{needs}"
        (info / "METADATA").write_text(text)
        (info / "entry_points.txt").write_text(entry_points)
        importlib.invalidate_caches()
        return info


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site of this test alone; its modules are forgotten afterwards."""
    root = tmp_path / "site"
    root.mkdir()
    monkeypatch.setattr(sys, "path", [str(root), *sys.path])
    before = set(sys.modules)
    yield Site(root)
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]
