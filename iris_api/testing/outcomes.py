"""What became of each rule of the kit in a run of pytest."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

from iris_api.testing.conformance.base import Conformance

__all__ = ["Outcomes", "rule_of"]

_RULE: Final = "iris_rule"
_RANK: Final = {"passed": 0, "not promised": 1, "skipped": 2, "failed": 3}


def rule_of(item: pytest.Item) -> str:
    """The rule that a test is about, such as ``machines.delete_twice``; empty where it is none."""
    kit = getattr(item, "cls", None)
    if not (isinstance(kit, type) and issubclass(kit, Conformance)):
        return ""
    name = item.originalname if isinstance(item, pytest.Function) else item.name
    return f"{kit.kind}.{name.removeprefix('test_')}"


class Outcomes:
    """What became of each rule, by the class that tests it. The worst of several cases counts."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._found: dict[str, dict[str, tuple[str, str]]] = {}

    def rows(self) -> Sequence[Mapping[str, str]]:
        """``class``, ``rule``, ``outcome`` and ``reason`` of each rule that has been tested so far."""
        return [
            {"class": kit, "rule": rule, "outcome": outcome, "reason": reason}
            for kit, rules in self._found.items()
            for rule, (outcome, reason) in rules.items()
        ]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if rule := rule_of(item):
            report.user_properties.append((_RULE, f"{item.cls.__name__} {rule}"))  # type: ignore[attr-defined]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for key, value in report.user_properties:
            if key == _RULE:
                kit, _, rule = str(value).partition(" ")
                self._note(kit, rule, report)

    def _note(self, kit: str, rule: str, report: pytest.TestReport) -> None:
        outcome: str = report.outcome
        reason = ""
        if report.failed:
            reason = _why(report.longrepr)
        elif report.skipped:
            reason = str(report.longrepr[-1]) if isinstance(report.longrepr, tuple) else str(report.longrepr)
            reason = reason.removeprefix("Skipped: ")
            if reason.startswith("not promised: "):
                outcome, reason = "not promised", reason.removeprefix("not promised: ")
        rules = self._found.setdefault(kit, {})
        before = rules.get(rule)
        if before is None or _RANK[outcome] > _RANK[before[0]]:
            rules[rule] = outcome, reason

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        everything = self._config.getoption("--iris-rules")
        for kit, rules in self._found.items():
            shown = {rule: found for rule, found in rules.items() if everything or found[0] != "passed"}
            passed = sum(outcome == "passed" for outcome, _ in rules.values())
            terminalreporter.write_sep("-", f"{kit}: {passed} of {len(rules)} rules kept")
            width = max(map(len, shown), default=0)
            for rule, (outcome, reason) in shown.items():
                line = f"{rule:<{width}}  {outcome:<12}  {reason}".rstrip()
                terminalreporter.write_line(line, red=outcome == "failed", yellow=outcome != "passed")

    def pytest_sessionfinish(self) -> None:
        target = self._config.getoption("--iris-report")
        if target:
            Path(target).write_text(json.dumps(self.rows(), indent=2) + "\n")


def _why(longrepr: object) -> str:
    """The first line of what was raised and the last of what another process raised, else the last of what
    is shown."""
    crash = getattr(longrepr, "reprcrash", None)
    told = str(crash.message).strip() if crash is not None else str(longrepr or "").strip()
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    if not lines:
        return ""
    if crash is None:
        return lines[-1]
    return f"{lines[0]} {lines[-1]}" if lines[0].endswith(":") and len(lines) > 1 else lines[0]
