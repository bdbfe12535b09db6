"""The fake machines keep every rule, and each planted bug is found by the rule that is about it."""

from __future__ import annotations

import pytest

from iris_api.testing import FakeMachines, MachinesConformance
from iris_api.testing.conformance import rules_of
from tests.kit.bugs_machines import BUGS, BuggyMachinesKit, Healthy
from tests.kit.fakes import FakeMachinesKit
from tests.kit.planted import outcomes


class TestFakeMachines(FakeMachinesKit):
    """All of it."""


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_bug_is_found(pytester: pytest.Pytester, bug: type[FakeMachines]) -> None:
    found = outcomes(pytester, BuggyMachinesKit, "machines_class", bug, BUGS[bug])
    assert found == {BUGS[bug]: "failed"}


def test_no_rule_finds_a_bug_where_there_is_none(pytester: pytest.Pytester) -> None:
    """With the patience that the bugs are given."""
    kept = outcomes(pytester, BuggyMachinesKit, "machines_class", Healthy)
    assert {rule for rule, outcome in kept.items() if outcome == "passed"} >= set(BUGS.values())


def test_each_rule_has_a_bug() -> None:
    """A rule that no bug can break says nothing."""
    rules = {rule.name.removeprefix("machines.") for rule in rules_of(MachinesConformance)}
    assert rules == set(BUGS.values())
