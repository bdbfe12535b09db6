"""The fake resolver keeps every rule, and each planted bug is found by the rule that is about it."""

from __future__ import annotations

import pytest

from iris_api.testing import FakeRegistry, ResolverConformance
from iris_api.testing.conformance import rules_of
from iris_api.testing.conformance.resolver import Registry
from iris_api.testing.fakes.resolver import FakeResolver
from tests.kit.bugs_resolver import BUGS, LATE, BuggyResolverKit, Healthy, PatientResolverKit
from tests.kit.planted import outcomes


class TestFakeResolver(ResolverConformance):
    @pytest.fixture
    def registry(self) -> Registry:
        return FakeRegistry()


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_bug_is_found(pytester: pytest.Pytester, bug: type[FakeResolver]) -> None:
    found = outcomes(pytester, BuggyResolverKit, "resolver_class", bug, BUGS[bug])
    assert found == {BUGS[bug]: "failed"}


@pytest.mark.parametrize("bug", LATE, ids=lambda bug: bug.__name__)
def test_what_is_late_is_found(pytester: pytest.Pytester, bug: type[FakeResolver]) -> None:
    rule = "watch_tells_changes"
    assert outcomes(pytester, PatientResolverKit, "resolver_class", bug, rule) == {rule: "failed"}


def test_each_rule_finds_one() -> None:
    rules = {rule.name.removeprefix("resolver.") for rule in rules_of(ResolverConformance)}
    assert set(BUGS.values()) == rules


def test_the_fake_keeps_each_with_the_patience_that_bugs_are_given(pytester: pytest.Pytester) -> None:
    kept = outcomes(pytester, BuggyResolverKit, "resolver_class", Healthy)
    assert kept == dict.fromkeys(BUGS.values(), "passed")
