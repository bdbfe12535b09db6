"""Each planted bug is found by the rule that is about it, and what is healthy keeps every rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pytest

from iris_api.platform import Runtime
from iris_api.testing import FakeRuntime, Installed, RuntimeConformance
from iris_api.testing.conformance import rules_of
from tests.kit import bugs_leftovers, bugs_output, bugs_processes, bugs_runtime
from tests.kit.able import AbleKit
from tests.kit.fakes import FakeRuntimeKit
from tests.kit.planted import outcomes

BUGS = bugs_runtime.BUGS | bugs_output.BUGS
PROCESS_BUGS = bugs_processes.BUGS | bugs_leftovers.BUGS


class TestFakeRuntime(FakeRuntimeKit):
    """All of it."""


class TestAbleRuntime(AbleKit):
    """All of it, and nothing is left out."""


class TestRuntimeOfCalls(AbleKit):
    """As for a runtime that cannot run commands: what the rules want done is done by calls."""

    not_promised: ClassVar = dict.fromkeys(("commands", "exec", "interpreter"), "it runs calls only")


class TestThreadsOnly(RuntimeConformance):
    """As for a runtime that has nothing but threads: what it cannot do it leaves out, and keeps the rest."""

    not_promised: ClassVar = dict.fromkeys(
        [
            *("commands", "output", "prints", "streams", "signals", "workdir", "mounts", "memory_peak"),
            *("memory_limit", "kill", "kill_calls", "sessions", "adopt", "stats", "exec", "interpreter"),
        ],
        "it has threads",
    )

    @pytest.fixture
    def make_runtime(self, installed: Callable[..., Installed]) -> Callable[[], Runtime]:
        return installed("local").runtime


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_bug_is_found(pytester: pytest.Pytester, bug: type[FakeRuntime]) -> None:
    rule = BUGS[bug]
    assert outcomes(pytester, bugs_runtime.BuggyRuntimeKit, "runtime_class", bug, rule) == {rule: "failed"}


@pytest.mark.parametrize("bug", PROCESS_BUGS, ids=lambda bug: bug.__name__)
def test_bug_of_processes_is_found(pytester: pytest.Pytester, bug: type[bugs_processes.Healthy]) -> None:
    rule = PROCESS_BUGS[bug]
    if rule.startswith("mount") and "mounts" in AbleKit.not_promised:
        pytest.skip(AbleKit.not_promised["mounts"])
    assert outcomes(pytester, bugs_processes.BuggyProcessKit, "runtime_class", bug, rule) == {rule: "failed"}


def test_no_rule_finds_a_bug_where_there_is_none(pytester: pytest.Pytester) -> None:
    """With the patience that the bugs are given."""
    kept = outcomes(pytester, bugs_runtime.BuggyRuntimeKit, "runtime_class", bugs_runtime.Healthy)
    assert {rule for rule, outcome in kept.items() if outcome == "passed"} >= set(BUGS.values())


def test_no_rule_finds_a_bug_in_healthy_processes(pytester: pytest.Pytester) -> None:
    """With the patience that the bugs are given."""
    rules = set(PROCESS_BUGS.values())
    kit, healthy = bugs_processes.BuggyProcessKit, bugs_processes.Healthy
    wanted = dict.fromkeys(rules, "passed")
    if "mounts" in AbleKit.not_promised:
        wanted["mounts_reach_the_task"] = "not promised"
    assert outcomes(pytester, kit, "runtime_class", healthy, *rules) == wanted


def test_each_rule_has_a_bug() -> None:
    """A rule that no bug can break says nothing."""
    rules = {rule.name.removeprefix("runtime.") for rule in rules_of(RuntimeConformance)}
    assert rules == {*BUGS.values(), *PROCESS_BUGS.values()}
