"""The fake runtime keeps every rule that it promises, and each planted bug is found by the rule about it."""

from __future__ import annotations

import pytest

from iris_api.testing import FakeRuntime
from tests.kit import bugs_processes, bugs_runtime
from tests.kit.fakes import FakeRuntimeKit
from tests.kit.planted import outcomes


class TestFakeRuntime(FakeRuntimeKit):
    """All of it."""


@pytest.mark.parametrize("bug", bugs_runtime.BUGS, ids=lambda bug: bug.__name__)
def test_bug_is_found(pytester: pytest.Pytester, bug: type[FakeRuntime]) -> None:
    rule = bugs_runtime.BUGS[bug]
    assert outcomes(pytester, bugs_runtime.BuggyRuntimeKit, "runtime_class", bug, rule) == {rule: "failed"}


def test_each_rule_that_finds_one_is_kept_by_the_fake(pytester: pytest.Pytester) -> None:
    """With the patience that the bugs are given."""
    kept = outcomes(pytester, bugs_runtime.BuggyRuntimeKit, "runtime_class", bugs_runtime.Healthy)
    assert {rule for rule, outcome in kept.items() if outcome == "passed"} >= set(bugs_runtime.BUGS.values())


@pytest.mark.parametrize("bug", bugs_processes.BUGS, ids=lambda bug: bug.__name__)
def test_bug_of_processes_is_found(pytester: pytest.Pytester, bug: type[bugs_processes.Healthy]) -> None:
    """The rules that find these are kept by the process platform, which runs the kit in a test of its own."""
    rule = bugs_processes.BUGS[bug]
    assert outcomes(pytester, bugs_processes.ProcessKit, "runtime_class", bug, rule) == {rule: "failed"}
