"""The http transport keeps the rules; what is broken over sockets is found."""

from __future__ import annotations

import pytest

from iris_actor.http.conformance import TestHttp
from iris_actor.http.transport import HttpTransport
from tests.kit.bugs_http import BUGS, BuggyHttpKit, Healthy
from tests.kit.planted import outcomes

__all__ = ["TestHttp"]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_bug_is_found(pytester: pytest.Pytester, bug: type[HttpTransport]) -> None:
    found = outcomes(pytester, BuggyHttpKit, "transport_class", bug, BUGS[bug])
    assert found == {BUGS[bug]: "failed"}


def test_no_rule_finds_a_bug_where_there_is_none(pytester: pytest.Pytester) -> None:
    """With the patience that the bugs are given."""
    rules = set(BUGS.values())
    kept = outcomes(pytester, BuggyHttpKit, "transport_class", Healthy, *rules)
    assert kept == dict.fromkeys(rules, "passed")
