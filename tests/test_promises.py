"""Every promise names the tests that prove it, and they are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT.joinpath("docs", "promises.md").read_text()
SECTIONS = dict(re.findall(r"^## (P\d) .*?\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
LINKS = sorted(set(re.findall(r"\(\.\./(tests/[\w/]+\.py)\)(?:[^`\n]*`(\w+)`)?", PAGE)))


def _tests(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def test_there_are_eight() -> None:
    assert sorted(SECTIONS) == [f"P{number}" for number in range(1, 9)]


@pytest.mark.parametrize("promise", sorted(SECTIONS))
def test_a_promise_is_proven_by_rules_by_simulation_and_by_real_parts(promise: str) -> None:
    section = SECTIONS[promise]
    assert "tests/controller/" in section or "tests/client/" in section
    assert "tests/sim/" in section
    assert "tests/chaos/" in section or "tests/cluster/" in section


@pytest.mark.parametrize(("file", "name"), LINKS)
def test_what_is_linked_is_there(file: str, name: str) -> None:
    path = ROOT / file
    assert path.is_file()
    if name:
        assert name in _tests(path)
