"""The http transport keeps the rules; what is broken over sockets is found."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from iris_actor.http.transport import HttpTransport
from iris_api.testing import TransportConformance
from iris_api.transport import Transport
from tests.kit.bugs_http import BUGS, BuggyHttpKit
from tests.kit.planted import outcomes


class TestHttp(TransportConformance):
    @pytest.fixture(params=[True, False], ids=["linger", "plain"])
    def make_transport(self, request: pytest.FixtureRequest) -> Callable[[], Transport]:
        linger = bool(request.param)
        return lambda: HttpTransport(linger=linger)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_bug_is_found(pytester: pytest.Pytester, bug: type[HttpTransport]) -> None:
    found = outcomes(pytester, BuggyHttpKit, "transport_class", bug, BUGS[bug])
    assert found == {BUGS[bug]: "failed"}
