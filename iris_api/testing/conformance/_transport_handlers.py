"""How handlers run: in which context, how many at once, how long a caller waits for them."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import Any

import pytest

from iris_api.errors import DeadlineExceeded, Refused
from iris_api.testing.conformance._served import (
    VARIABLE,
    Caller,
    Connect,
    Listen,
    Service,
    both_ways,
    request,
)
from iris_api.transport import Channel, Reply, SupportsPost

__all__ = ["HandlerRules"]


class HandlerRules:
    @both_ways
    def test_context(self, listen: Listen, connect: Connect, caller: Caller, way: str) -> None:
        """Handlers see the context of whoever called `listen`, not that of the call's caller."""
        before = VARIABLE.set("the listener's")
        try:
            listener = listen()
            VARIABLE.set("the caller's")
            channel = connect(listener.address)
            found = bytes(caller.do(way, channel, request("context")).head)
        finally:
            VARIABLE.reset(before)
        assert found == b"the listener's"

    @both_ways
    def test_context_is_a_copy(self, channel: Channel, caller: Caller, way: str) -> None:
        """What one handler sets in its context, no later one sees, nor does the listener's maker."""
        found = {bytes(caller.do(way, channel, request("context")).head) for _ in range(10)}
        assert found == {b"nobody's"}
        assert VARIABLE.get() == "nobody's"

    @both_ways
    def test_concurrent(self, channel: Channel, caller: Caller, service: Service, way: str) -> None:
        """Calls are served concurrently: eight are in the handler at the same time."""
        futures = [caller.begin(way, channel, request("wait", b"%d" % i)) for i in range(8)]
        service.begun(8)
        service.release.set()
        assert [bytes(future.result(caller.patience).head) for future in futures] == [
            b"%d" % i for i in range(8)
        ]

    def test_concurrency_is_bounded(
        self, listen: Listen, connect: Connect, service: Service, caller: Caller
    ) -> None:
        """At most `max_concurrency` handlers run at once; the other calls wait for their turn."""
        channel = connect(listen(max_concurrency=2).address)
        futures = [caller.begin("submit", channel, request("wait")) for _ in range(6)]
        service.begun(2)
        assert not service.entered.acquire(timeout=0.2), "a third handler runs"
        service.release.set()
        assert all(future.result(caller.patience) for future in futures)
        assert service.most == 2

    def test_slow_call(self, channel: Channel, service: Service) -> None:
        """A call that takes long does not hold back those behind it on the same channel."""
        slow = channel.submit(request("wait"))
        service.begun()
        quick = [channel.submit(request("echo", b"%d" % i)) for i in range(200)]
        assert [bytes(future.result(service.patience).head) for future in quick] == [
            b"%d" % i for i in range(200)
        ]
        assert not slow.done()

    @both_ways
    def test_threads_share_a_channel(self, channel: Channel, caller: Caller, way: str) -> None:
        """Several threads use one channel, and each call gets its own reply."""

        def work(worker: int) -> bool:
            sent = [b"%d %d" % (worker, i) for i in range(25)]
            if way == "call":
                return [bytes(channel.call(request("echo", one)).head) for one in sent] == sent
            futures = [channel.submit(request("echo", one)) for one in sent]
            return [bytes(future.result(caller.patience).head) for future in futures] == sent

        workers = [caller.aside(partial(work, worker)) for worker in range(8)]
        assert [worker.result(caller.patience) for worker in workers] == [True] * 8

    @both_ways
    def test_deadline(self, channel: Channel, caller: Caller, service: Service, way: str) -> None:
        """The caller's deadline holds although the handler sleeps, and the channel is good afterwards."""
        began = time.monotonic()
        error = caller.begin(way, channel, request("wait", timeout=0.3)).exception(0.3 + caller.prompt)
        took = time.monotonic() - began
        assert isinstance(error, DeadlineExceeded), f"it ended with {error!r}"
        assert took > 0.25
        assert bytes(caller.do(way, channel, request("echo", b"next")).head) == b"next"

    def test_post(self, channel: Channel, service: Service) -> None:
        """A channel with `post` delivers once for each call: its reply, or the error in its place."""
        if not isinstance(channel, SupportsPost):
            pytest.skip("not promised: the channel has no post (SupportsPost)")
        delivered: list[tuple[Any, Any]] = []
        sent = [
            *(request("echo", b"%d" % i) for i in range(50)),
            request("refuse", b"not_found"),
            request("wait", timeout=0.3),
        ]
        complete = threading.Event()

        def deliver(reply: Reply | None, error: BaseException | None) -> None:
            delivered.append((reply, error))
            if len(delivered) >= len(sent):
                complete.set()

        for one in sent:
            channel.post(one, deliver)
        assert complete.wait(service.patience)
        assert sorted(bytes(reply.head) for reply, _ in delivered if reply) == sorted(
            one.head for one in sent[:50]
        )
        errors = {type(error) for _, error in delivered if error is not None}
        assert errors == {Refused, DeadlineExceeded}
        assert len(delivered) == len(sent)
