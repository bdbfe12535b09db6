"""`mem` keeps what Iris asks of every transport."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

import pytest

from iris_api.testing import TransportConformance
from iris_api.transport import Bind, Reply, Request, Transport
from iris_example.mem import MemTransport


class TestMem(TransportConformance):
    not_promised: ClassVar = {
        "processes": "it is the memory of one process",
        "sockets": "it opens none",
    }

    @pytest.fixture
    def make_transport(self) -> Callable[[], Transport]:
        return MemTransport


def test_delay_is_the_time_that_a_call_takes() -> None:
    transport = MemTransport(delay=0.2)
    listener = transport.listen(lambda request: Reply(b"x"), Bind())
    channel = transport.connect(listener.address)
    began = time.monotonic()
    channel.call(Request("actor", "method"))
    assert time.monotonic() - began >= 0.2
    channel.close()
    listener.close()
