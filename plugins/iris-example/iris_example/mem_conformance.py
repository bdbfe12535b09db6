"""What `mem` promises: the rules of every transport, run on it. Only tests import this."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pytest

from iris_api.testing import Installed, TransportConformance
from iris_api.transport import Transport

__all__ = ["TestMem"]


class TestMem(TransportConformance):
    not_promised: ClassVar = {
        "processes": "it is the memory of one process",
        "sockets": "it opens none",
    }

    @pytest.fixture
    def make_transport(self, installed: Callable[..., Installed]) -> Callable[[], Transport]:
        return installed("mem").transport
