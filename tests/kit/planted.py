"""Runs one rule of the kit, or all, on a class that pytest does not collect by itself."""

from __future__ import annotations

import json

import pytest

__all__ = ["outcomes"]

_CASE = """
from {kit_module} import {kit}
from {module} import {subject}

class TestSubject({kit}):
    {attribute} = {subject}
"""


def outcomes(
    pytester: pytest.Pytester, kit: type, attribute: str, subject: type, *rules: str
) -> dict[str, str]:
    """What became of each rule of `kit` with its `attribute` set to `subject`, by name; of `rules` alone if
    any are given."""
    case = _CASE.format(
        kit_module=kit.__module__,
        kit=kit.__name__,
        module=subject.__module__,
        subject=subject.__name__,
        attribute=attribute,
    )
    path = pytester.makepyfile(test_subject=case)
    wanted = [f"{path}::TestSubject::test_{rule}" for rule in rules] or [f"{path}::TestSubject"]
    pytester._monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # importing them takes a second
    options = ("-p", "iris_api.testing.plugin", "-p", "no:cacheprovider", "--iris-report", "report.json")
    pytester.runpytest_inprocess(*options, "-q", *wanted)
    rows = json.loads((pytester.path / "report.json").read_text())
    return {row["rule"].partition(".")[2]: row["outcome"] for row in rows}
