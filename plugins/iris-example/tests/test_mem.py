"""The transport `mem`: the rules of Iris, and its delay."""

from __future__ import annotations

import time

import pytest

from iris_api.errors import Refused
from iris_api.transport import Bind, Reply, Request
from iris_example.mem import MemListener, MemTransport
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


def test_a_call_that_comes_while_the_threads_are_being_stopped_is_refused() -> None:
    """Whoever owns them may stop them before the listener knows."""
    transport = MemTransport()
    listener = MemListener(lambda request: Reply(b"x"), Bind(), 0.0)
    listener._handlers.shutdown()
    channel = transport.connect(listener.address)
    with pytest.raises(Refused, match="the listener is closing") as caught:
        channel.submit(Request("actor", "method")).result(5)
    assert caught.value.code == "unavailable"
    channel.close()
    listener.close()
