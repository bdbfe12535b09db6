"""The transport `mem`: the rules of Iris, and its delay."""

from __future__ import annotations

import time

from iris_api.transport import Bind, Reply, Request
from iris_example.mem import MemTransport
from iris_example.mem_conformance import TestMem

__all__ = ["TestMem"]


def test_delay_is_the_time_that_a_call_takes() -> None:
    transport = MemTransport(delay=0.2)
    listener = transport.listen(lambda request: Reply(b"x"), Bind())
    channel = transport.connect(listener.address)
    began = time.monotonic()
    channel.call(Request("actor", "method"))
    assert time.monotonic() - began >= 0.2
    channel.close()
    listener.close()
