"""plugins/iris-example uses what a third party may use, and nothing else."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.rigs.apart import ROOT

EXAMPLE = ROOT / "plugins" / "iris-example"
PACKAGE = sorted((EXAMPLE / "iris_example").glob("*.py"))
ALLOWED = {"attrs", "iris_api", "iris_example", "pytest"}  # attrs comes with Iris; tests alone have pytest


def test_it_depends_on_iris_alone() -> None:
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    assert [Requirement(one).name for one in project["dependencies"]] == ["iris-cluster"]
    assert [Requirement(one).name for one in project["optional-dependencies"]["test"]] == ["iris-cluster"]


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: path.stem)
def test_it_imports_nothing_private(path: Path) -> None:
    for module in imported(path):
        top, *below = module.split(".")
        assert top in ALLOWED or top in sys.stdlib_module_names, module
        assert not (top == "iris_api" and (below[0][0] == "_" or below[0] == "rpc")), module


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: path.stem)
def test_only_its_conformance_needs_pytest(path: Path) -> None:
    assert path.stem.endswith("_conformance") or "pytest" not in imported(path)


def imported(path: Path) -> set[str]:
    return set(_imported(ast.parse(path.read_text())))


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""
