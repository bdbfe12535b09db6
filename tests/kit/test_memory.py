"""The fakes of the network's side keep the rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pytest

from iris_api.testing import FakeRegistry, MemoryTransport, ResolverConformance, TransportConformance
from iris_api.testing.conformance.resolver import Registry
from iris_api.transport import Transport


class TestMemory(TransportConformance):
    not_promised: ClassVar = {
        "processes": "it is the memory of one process",
        "sockets": "it has none",
    }

    @pytest.fixture
    def make_transport(self) -> Callable[[], Transport]:
        return MemoryTransport


class TestFakeResolver(ResolverConformance):
    @pytest.fixture
    def registry(self) -> Registry:
        return FakeRegistry()
