"""What the http transport promises: all the rules."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from iris_api.testing import Installed, TransportConformance
from iris_api.transport import Transport

__all__ = ["TestHttp"]


class TestHttp(TransportConformance):
    @pytest.fixture(params=[True, False], ids=["linger", "plain"])
    def make_transport(
        self, request: pytest.FixtureRequest, installed: Callable[..., Installed]
    ) -> Callable[[], Transport]:
        return installed("http", linger=bool(request.param)).transport
