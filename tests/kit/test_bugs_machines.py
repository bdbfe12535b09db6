"""The fake machines keep every rule, and each planted bug is found by the rule that is about it."""

from __future__ import annotations

import pytest

from iris_api.testing import FakeMachines, MachinesConformance
from iris_api.testing.conformance import rules_of
from tests.kit import bugs_platform
from tests.kit.bugs_machines import BUGS, BuggyMachinesKit, Closeless, Healthy
from tests.kit.fakes import FakeMachinesKit
from tests.kit.planted import outcomes
from tests.plugins.site import Site, site

__all__ = ["site"]


@pytest.fixture
def planted(site: Site) -> None:
    """The plugin of this name is installed."""
    site.add_metadata("iris-planted", "1.0", "[iris]\nplanted = tests.kit.bugs_platform\n")


class TestFakeMachines(FakeMachinesKit):
    """All of it."""


class TestFakeMachinesThatGoSlowly(FakeMachinesKit):
    """As those of a cloud do."""

    shutdown = 0.1


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_bug_is_found(pytester: pytest.Pytester, bug: type[FakeMachines]) -> None:
    found = outcomes(pytester, BuggyMachinesKit, "machines_class", bug, BUGS[bug])
    assert found == {BUGS[bug]: "failed"}


@pytest.mark.parametrize("bug", bugs_platform.BUGS, ids=lambda bug: bug.__name__)
def test_bug_of_a_platform_is_found(
    pytester: pytest.Pytester, planted: None, bug: type[bugs_platform.Healthy]
) -> None:
    rule = bugs_platform.BUGS[bug]
    assert outcomes(pytester, bugs_platform.PlatformKit, "platform_class", bug, rule) == {rule: "failed"}


def test_no_rule_finds_a_bug_in_a_healthy_platform(pytester: pytest.Pytester, planted: None) -> None:
    kept = outcomes(pytester, bugs_platform.PlatformKit, "platform_class", bugs_platform.Healthy)
    assert set(kept.values()) == {"passed", "not promised"}


def test_machines_that_cannot_be_closed_do_not_pass(pytester: pytest.Pytester) -> None:
    """A rule that nothing was done for says nothing."""
    found = outcomes(pytester, BuggyMachinesKit, "machines_class", Closeless, "close_deletes_nothing")
    assert found == {"close_deletes_nothing": "failed"}


def test_no_rule_finds_a_bug_where_there_is_none(pytester: pytest.Pytester) -> None:
    """With the patience that the bugs are given."""
    kept = outcomes(pytester, BuggyMachinesKit, "machines_class", Healthy)
    assert {rule for rule, outcome in kept.items() if outcome == "passed"} >= set(BUGS.values())


def test_each_rule_has_a_bug() -> None:
    """A rule that no bug can break says nothing."""
    rules = {rule.name.removeprefix("machines.") for rule in rules_of(MachinesConformance)}
    assert rules == set(BUGS.values())
