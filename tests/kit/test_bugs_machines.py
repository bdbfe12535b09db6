"""The fake machines keep every rule, and each planted bug is found by the rule that is about it."""

from __future__ import annotations

import pytest

from iris_api.testing import FakeMachines
from tests.kit.bugs_machines import BUGS, BuggyMachinesKit, Healthy
from tests.kit.fakes import FakeMachinesKit
from tests.kit.planted import outcomes


class TestFakeMachines(FakeMachinesKit):
    """All of it."""


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_bug_is_found(pytester: pytest.Pytester, bug: type[FakeMachines]) -> None:
    found = outcomes(pytester, BuggyMachinesKit, "machines_class", bug, BUGS[bug])
    assert found == {BUGS[bug]: "failed"}


def test_each_rule_that_finds_one_is_kept_by_the_fake(pytester: pytest.Pytester) -> None:
    """With the patience that the bugs are given."""
    kept = outcomes(pytester, BuggyMachinesKit, "machines_class", Healthy)
    assert {rule for rule, outcome in kept.items() if outcome == "passed"} >= set(BUGS.values())
