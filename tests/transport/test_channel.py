"""HttpTransport beyond the conformance kit: what its own threads and queues do."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from iris_actor.http import workers
from iris_api.errors import PlatformError, Refused
from iris_api.testing import wait_for_condition
from iris_api.transport import Channel, Listener, Reply, Request
from tests.transport.handlers import Handlers

Of = Callable[..., Request]
KINDS = ["call", "submit"]


def do(channel: Channel, kind: str, request: Request) -> Reply:
    return channel.call(request) if kind == "call" else channel.submit(request).result(20)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 70_000, 3_000_000])
def test_arrays_that_arrive_can_be_written_to(channel: Channel, request_of: Of, kind: str, size: int) -> None:
    reply = do(channel, kind, request_of("echo", b"head", (memoryview(os.urandom(size)), memoryview(b""))))
    assert [buffer.readonly for buffer in reply.buffers] == [False, False]


def test_slow_calls_one_by_one_do_not_hold_back_others(
    channel: Channel, handlers: Handlers, request_of: Of
) -> None:
    slow = []
    for _ in range(30):
        slow.append(channel.submit(request_of("wait")))
        assert handlers.entered.acquire(timeout=5)
    assert bytes(channel.submit(request_of("echo")).result(5).head) == b"x"
    handlers.release.set()
    assert [bytes(future.result(5).head) for future in slow] == [b"waited"] * 30


def test_a_cancelled_call_is_not_sent(channel: Channel, handlers: Handlers, request_of: Of) -> None:
    channel.submit(request_of("echo")).result(5)
    futures = [channel.submit(request_of("echo", b"%d" % i)) for i in range(100)]
    cancelled = [future.cancel() for future in futures]
    sent = [future for future, gone in zip(futures, cancelled, strict=True) if not gone]
    assert all(future.result(5) for future in sent)
    wait_for_condition(lambda: len(handlers.seen) == 1 + len(sent))


def test_overload_is_refused(
    listen: Callable[..., tuple[Listener, Channel]], request_of: Of, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "QUEUE_LIMIT", 5)
    handlers = Handlers()
    _, channel = listen(handlers, max_concurrency=1)
    first = channel.submit(request_of("wait"))
    assert handlers.entered.acquire(timeout=5)
    futures = [channel.submit(request_of("echo")) for _ in range(20)]
    errors: list[BaseException | None] = []
    while len(errors) < 15:
        errors = [future.exception(0) for future in futures if future.done()]
    assert all(isinstance(error, Refused) and error.code == "resource_exhausted" for error in errors)
    handlers.release.set()
    assert first.result(5).failure is None
    assert len([future for future in futures if future.exception(5) is None]) == 5


def test_a_listener_is_not_closed_by_its_own_call(
    listen: Callable[..., tuple[Listener, Channel]], request_of: Of
) -> None:
    listeners: list[Listener] = []

    def handler(request: Request) -> Reply:
        with pytest.raises(PlatformError, match="its own calls"):
            listeners[0].close()
        return Reply(b"refused")

    listener, channel = listen(handler)
    listeners.append(listener)
    assert bytes(channel.call(request_of("x")).head) == b"refused"
