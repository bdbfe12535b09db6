"""The http transport keeps the rules."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from iris_actor.http.transport import HttpTransport
from iris_api.testing import TransportConformance
from iris_api.transport import Transport


class TestHttp(TransportConformance):
    @pytest.fixture(params=[True, False], ids=["linger", "plain"])
    def make_transport(self, request: pytest.FixtureRequest) -> Callable[[], Transport]:
        linger = bool(request.param)
        return lambda: HttpTransport(linger=linger)
