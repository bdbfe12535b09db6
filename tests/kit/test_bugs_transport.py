"""MemoryTransport keeps every rule, and each planted bug is found by the rule that is about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pytest

from iris_api.testing import MemoryTransport, TransportConformance
from iris_api.testing.conformance import rules_of
from iris_api.transport import Transport
from tests.kit import bugs_payloads, bugs_transport
from tests.kit.bugs_http import BUGS as SOCKET_BUGS
from tests.kit.bugs_transport import BuggyTransportKit, Healthy
from tests.kit.planted import outcomes

BUGS = bugs_transport.BUGS | bugs_payloads.BUGS


class TestMemory(TransportConformance):
    not_promised: ClassVar = {"processes": "it is the memory of one process", "sockets": "it has none"}

    @pytest.fixture
    def make_transport(self) -> Callable[[], Transport]:
        return MemoryTransport


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_bug_is_found(pytester: pytest.Pytester, bug: type[MemoryTransport]) -> None:
    found = outcomes(pytester, BuggyTransportKit, "transport_class", bug, BUGS[bug])
    assert found == {BUGS[bug]: "failed"}


def test_each_rule_finds_one() -> None:
    rules = {rule.name.removeprefix("transport.") for rule in rules_of(TransportConformance)}
    assert {*BUGS.values(), *SOCKET_BUGS.values()} == rules


def test_the_fake_keeps_each_with_the_patience_that_bugs_are_given(pytester: pytest.Pytester) -> None:
    kept = outcomes(pytester, BuggyTransportKit, "transport_class", Healthy)
    assert {rule for rule, outcome in kept.items() if outcome == "passed"} == set(BUGS.values())
