"""The pytest plugin of the kit: the leak fixtures, and a table of what each plugin under test promises.

pytest finds it by its entry point ``iris``. ``--iris-rules`` shows every rule, not only those that failed or
are not promised; ``--iris-report FILE`` writes them as JSON. ``--iris-config FILE --iris-table PATH`` name
the options with which the fixture `installed` makes the plugin.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Final

import pytest

from iris_api.testing.fixtures import no_leaks, thread_registry
from iris_api.testing.installed import installed

__all__ = ["installed", "no_leaks", "pytest_addoption", "pytest_configure", "thread_registry"]

pytest.register_assert_rewrite("iris_api.testing.conformance")

_RULE: Final = "iris_rule"
_RANK: Final = {"passed": 0, "not promised": 1, "skipped": 2, "failed": 3}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("iris", "conformance of Iris plugins")
    group.addoption("--iris-rules", action="store_true", help="show every rule of the conformance kit")
    group.addoption("--iris-plugin", metavar="NAME", help="the plugin that the generic tests are about")
    group.addoption("--iris-config", metavar="FILE", help="iris.toml with the table of the plugin under test")
    group.addoption("--iris-table", metavar="PATH", help="that table, such as platforms.mine")
    group.addoption("--iris-report", metavar="FILE", help="write each rule's outcome there as JSON")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_Outcomes(config), "iris-outcomes")


class _Outcomes:
    """What became of each rule, by the class that tests it. The worst of several cases counts."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._found: dict[str, dict[str, tuple[str, str]]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        from iris_api.testing.conformance.base import Conformance

        report = yield
        kit = getattr(item, "cls", None)
        if isinstance(kit, type) and issubclass(kit, Conformance):
            name = item.originalname if isinstance(item, pytest.Function) else item.name
            rule = f"{kit.kind}.{name.removeprefix('test_')}"
            report.user_properties.append((_RULE, f"{kit.__name__} {rule}"))
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
            rows = [
                {"class": kit, "rule": rule, "outcome": outcome, "reason": reason}
                for kit, rules in self._found.items()
                for rule, (outcome, reason) in rules.items()
            ]
            Path(target).write_text(json.dumps(rows, indent=2) + "\n")


def _why(longrepr: object) -> str:
    """The first line of what was raised, else the last of what is shown."""
    crash = getattr(longrepr, "reprcrash", None)
    told = str(crash.message).strip().splitlines()[:1] if crash is not None else []
    return next(iter(told or str(longrepr or "").strip().splitlines()[-1:]), "")
