"""Several requests on one connection, which a handler thread may keep for a moment."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator

import pytest

from iris_actor.http import wire
from iris_api.credentials import Token
from iris_api.rpc import actor_pb2 as pb
from iris_api.testing import wait_for_condition
from iris_api.transport import Channel, Listener, Request
from tests.transport.handlers import Handlers

Of = Callable[..., Request]


class Raw:
    """One connection, and the requests of the usual client on it."""

    def __init__(self, listener: Listener, token: Token) -> None:
        self.socket = socket.create_connection(("127.0.0.1", listener.port), 10)
        self.port, self.token = listener.port, token.reveal()

    def request(self, method: str = "echo", head: bytes = b"h", *, token: str = "", host: str = "") -> bytes:
        body = b"".join(wire.encode_call(Request("a", method, head)))
        lines = [
            "POST /iris.actor.v1.Actor/Call HTTP/1.1",
            f"host: {host or f'127.0.0.1:{self.port}'}",
            "content-type: application/proto",
            f"authorization: Bearer {token or self.token}",
            "connect-timeout-ms: 5000",
            f"content-length: {len(body)}",
        ]
        return "\r\n".join([*lines, "", ""]).encode() + body

    def reply(self) -> tuple[int, bytes]:
        file = self.socket.makefile("rb")
        status = int(file.readline().split()[1])
        length = 0
        while (line := file.readline()) != b"\r\n":
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        body = file.read(length)
        file.close()
        return status, body

    def ask(self, *args: object, **kwargs: object) -> tuple[int, bytes]:
        self.socket.sendall(self.request(*args, **kwargs))  # type: ignore[arg-type]
        return self.reply()


@pytest.fixture
def raw(listener: Listener, token: Token) -> Iterator[Raw]:
    raw = Raw(listener, token)
    yield raw
    raw.socket.close()


def test_many_calls_on_one_connection(raw: Raw) -> None:
    for i in range(100):
        status, body = raw.ask(head=b"%d" % (i + 1))
        assert (status, pb.CallReply.FromString(body).head) == (200, b"%d" % (i + 1))


def test_the_gate_is_asked_again_when_the_token_changes(raw: Raw, handlers: Handlers) -> None:
    assert raw.ask()[0] == 200
    assert raw.ask(token="wrong")[0] == 401
    assert raw.ask()[0] == 200
    assert raw.ask(host="evil.example")[0] == 403
    assert len(handlers.seen) == 2


def test_the_gate_is_asked_at_the_first_call(raw: Raw, handlers: Handlers) -> None:
    assert raw.ask(token="wrong")[0] == 401
    assert handlers.seen == []


def test_a_request_may_come_in_pieces(raw: Raw) -> None:
    assert raw.ask()[0] == 200
    data = raw.request(head=b"pieces")
    for at in range(len(data)):
        raw.socket.sendall(data[at : at + 1])
    assert pb.CallReply.FromString(raw.reply()[1]).head == b"pieces"
    assert raw.ask()[0] == 200


def test_requests_may_be_pipelined(raw: Raw) -> None:
    raw.socket.sendall(raw.request(head=b"1") + raw.request(head=b"2"))
    answers = b""
    while answers.count(b"HTTP/1.1 200") < 2 or not answers.endswith(b"2"):
        answers += raw.socket.recv(65536)
    assert raw.ask()[0] == 200


def test_another_request_on_the_connection_is_answered(raw: Raw) -> None:
    assert raw.ask()[0] == 200
    raw.socket.sendall(f"GET /health HTTP/1.1\r\nhost: 127.0.0.1:{raw.port}\r\n\r\n".encode())
    assert raw.reply() == (200, b"ok")
    assert raw.ask()[0] == 200


def test_errors_leave_the_connection_usable(raw: Raw) -> None:
    assert [raw.ask(method)[0] for method in ("nothing", "bug", "echo")] == [501, 500, 200]


def test_a_large_reply_to_a_slow_reader_arrives_whole(raw: Raw) -> None:
    raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    for _ in range(2):
        status, body = raw.ask("size", b"5000000")
        assert (status, len(pb.CallReply.FromString(body).head)) == (200, 5_000_000)


def test_a_caller_that_left_is_noted_and_hurts_nobody(
    raw: Raw,
    channel: Channel,
    handlers: Handlers,
    request_of: Of,
    caplog: pytest.LogCaptureFixture,
    linger: bool,
) -> None:
    caplog.set_level(logging.DEBUG, "iris.actor")
    raw.socket.sendall(raw.request("wait"))
    assert handlers.entered.acquire(timeout=5)
    raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close by a reset
    raw.socket.close()
    if not linger:
        wait_for_condition(lambda: "dropped" in caplog.text)
    handlers.release.set()
    assert bytes(channel.call(request_of("echo")).head) == b"x"
    wait_for_condition(lambda: "dropped" in caplog.text)


def test_a_connection_that_is_kept_open_does_not_hold_up_the_close(raw: Raw, listener: Listener) -> None:
    assert raw.ask()[0] == 200
    listener.close()
    assert raw.socket.recv(1) == b""
