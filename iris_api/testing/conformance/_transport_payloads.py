"""What arrives: bytes, buffers, fields, failures."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Final

import pytest

from iris_api.testing.conformance._served import Caller, Service, both_ways, request
from iris_api.transport import Channel, Request

__all__ = ["PayloadRules"]

KIB: Final = 1024
MIB: Final = 1024 * 1024
_SIZES: Final = [0, 1, 64 * KIB, MIB]

Bytes = bytes | bytearray | memoryview


class PayloadRules:
    @pytest.mark.parametrize(
        ("way", "size"),
        [(way, size) for way in ("call", "submit") for size in (*_SIZES, 64 * MIB)],
    )
    def test_bytes(self, channel: Channel, caller: Caller, service: Service, way: str, size: int) -> None:
        """Bytes reach the handler unchanged and so come back, from none to 64 MiB."""
        sent = os.urandom(size)
        reply = caller.do(way, channel, request("echo", sent))
        _same([service.seen[-1].head], [sent])
        _same([reply.head], [sent])

    @both_ways
    @pytest.mark.parametrize(
        "sizes",
        [(0,), (1,), (0, 0, 1, 0), (3, 64 * KIB, 0, MIB), (64 * MIB,)],
        ids=lambda sizes: "-".join(map(str, sizes)),
    )
    def test_buffers(
        self, channel: Channel, caller: Caller, service: Service, way: str, sizes: tuple[int, ...]
    ) -> None:
        """Out-of-band buffers arrive unchanged, as many as were sent and in their order, empty ones too, and
        up to 64 MiB."""
        sent = [os.urandom(size) for size in sizes]
        reply = caller.do(way, channel, request("echo", b"head", tuple(map(memoryview, sent))))
        _same(service.seen[-1].buffers, sent)
        _same([reply.head, *reply.buffers], [b"head", *sent])

    @both_ways
    def test_fields(self, channel: Channel, caller: Caller, service: Service, way: str) -> None:
        """The handler is told the actor, the method, the endpoint's uid and how much time is left."""
        caller.do(way, channel, Request("an actor", "echo", b"", endpoint_uid="a uid", timeout=7.0))
        (seen,) = service.seen
        assert (seen.actor, seen.method, seen.endpoint_uid) == ("an actor", "echo", "a uid")
        assert 0 < seen.timeout <= 7.001

    @both_ways
    def test_failure(self, channel: Channel, caller: Caller, way: str) -> None:
        """An application's exception is a reply, with its pickle and with its words."""
        reply = caller.do(way, channel, request("fail"))
        assert bytes(reply.head) == b"pickle"
        assert reply.failure is not None
        found = (reply.failure.type, reply.failure.message, reply.failure.traceback)
        assert found == ("a.Error", "its message", "its traceback")

    @pytest.mark.parametrize("size", [10, MIB])
    def test_sent_is_a_copy(self, channel: Channel, service: Service, size: int) -> None:
        """Once `submit` has returned, the caller may change its buffers: what was sent stays as it was."""
        array = bytearray(b"a" * size)
        future = channel.submit(request("wait", buffers=(memoryview(array),)))
        array[:] = b"b" * size
        service.begun()
        service.release.set()
        (buffer,) = future.result(service.patience).buffers
        assert set(bytes(buffer)) == {ord("a")}, "the caller's change shows at the handler"

    @both_ways
    @pytest.mark.parametrize("size", [10, MIB])
    def test_reply_is_a_copy(
        self, channel: Channel, caller: Caller, service: Service, way: str, size: int
    ) -> None:
        """What a handler has returned it may change: the caller's reply stays as it was."""
        service.lent = bytearray(b"a" * size)
        (buffer,) = caller.do(way, channel, request("lend")).buffers
        service.lent[:] = b"b" * size
        assert set(bytes(buffer)) == {ord("a")}, "the handler's change shows at the caller"


def _same(found: Iterable[Bytes], wanted: Sequence[bytes]) -> None:
    """Compared here: pytest would write out where megabytes differ."""
    pieces = [bytes(piece) for piece in found]
    assert [len(piece) for piece in pieces] == [len(piece) for piece in wanted]
    differing = [index for index, piece in enumerate(pieces) if piece != wanted[index]]
    assert not differing, "of the right size, but other bytes"
