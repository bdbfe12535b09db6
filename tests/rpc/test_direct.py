"""The short way of usual calls, byte by byte; `server` is there with and without it, and both do the same."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from iris_api.credentials import Token, new_token
from iris_api.rpc import cluster_pb2 as pb
from iris_api.rpc import serving
from iris_api.rpc.serving import Server
from iris_api.rpc.version import VERSION
from iris_api.testing import wait_for_condition
from tests.rpc.service import LIST, Endpoints


def request(token: Token, name: str = "/calc", *, timeout_ms: int = 10_000, **fields: int) -> bytes:
    """As our own client sends it."""
    body = pb.ListEndpointsRequest(name=name, **fields).SerializeToString()  # type: ignore[arg-type]
    head = (
        f"POST {LIST} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/proto\r\n"
        f"authorization: Bearer {token.reveal()}\r\niris-version: {VERSION}\r\n"
        f"connect-protocol-version: 1\r\nconnect-timeout-ms: {timeout_ms}\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@pytest.fixture
def line(server: Server) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        yield connection


def replies(line: socket.socket, count: int) -> list[tuple[int, bytes]]:
    """The status and the body of the next replies."""
    found = []
    with line.makefile("rb") as file:
        for _ in range(count):
            status = int(file.readline().split()[1])
            headers = dict(header.lower().strip().split(b": ", 1) for header in iter(file.readline, b"\r\n"))
            found.append((status, file.read(int(headers[b"content-length"]))))
    return found


def test_calls_that_come_at_once_are_answered_in_order(line: socket.socket, token: Token) -> None:
    line.sendall(request(token) + request(token, "/bug") + request(token))
    assert [status for status, _ in replies(line, 3)] == [200, 500, 200]


@pytest.mark.parametrize("cut", [1, 60, 300, -1])
def test_a_call_that_comes_in_two_pieces_is_whole(line: socket.socket, token: Token, cut: int) -> None:
    whole = request(token, "/" + "x" * 500)
    line.sendall(whole[:cut])
    line.settimeout(0.05)
    with pytest.raises(TimeoutError):
        line.recv(1)
    line.settimeout(10)
    line.sendall(whole[cut:])
    assert replies(line, 1)[0][0] == 200


def test_other_forms_may_follow_on_the_same_connection(line: socket.socket, token: Token) -> None:
    line.sendall(request(token))
    assert replies(line, 1)[0][0] == 200
    line.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert replies(line, 1) == [(200, b"ok")]
    line.sendall(request(token))
    assert replies(line, 1)[0][0] == 200


def test_a_wrong_token_is_refused_after_a_right_one(line: socket.socket, token: Token) -> None:
    line.sendall(request(token) + request(new_token()))
    assert [status for status, _ in replies(line, 2)] == [200, 401]


def test_an_expired_call_is_answered_and_the_connection_goes_on(line: socket.socket, token: Token) -> None:
    line.sendall(request(token, timeout_ms=50, hold_ms=10_000, known_version=1) + request(token))
    assert [status for status, _ in replies(line, 2)] == [504, 200]


def test_a_short_call_expires_in_time_after_a_long_one(line: socket.socket, token: Token) -> None:
    line.sendall(request(token))
    assert replies(line, 1)[0][0] == 200
    line.settimeout(5)  # the earlier deadline is 10 s away
    line.sendall(request(token, timeout_ms=50, hold_ms=9_000, known_version=1))
    assert replies(line, 1)[0][0] == 504


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> float:
    """Seconds that a connection may rest; to be asked for before `server`."""
    monkeypatch.setattr(serving, "_KEEP_ALIVE", 0.6)
    return 0.6


def test_a_connection_that_rests_too_long_is_closed(
    impatient: float, line: socket.socket, token: Token
) -> None:
    for _ in range(4):  # more than the rest in all, and never as long at once
        line.sendall(request(token))
        assert replies(line, 1)[0][0] == 200
        time.sleep(impatient / 3)
    assert line.recv(1) == b""


def test_a_held_call_is_no_rest(impatient: float, line: socket.socket, token: Token) -> None:
    line.sendall(request(token))
    assert replies(line, 1)[0][0] == 200
    line.sendall(request(token, timeout_ms=int(impatient * 3000), hold_ms=9_000, known_version=1))
    assert replies(line, 1)[0][0] == 504


def test_whoever_leaves_is_not_waited_for(line: socket.socket, token: Token, service: Endpoints) -> None:
    line.sendall(request(token, "/left", hold_ms=10_000, known_version=1))
    wait_for_condition(lambda: service.lists == 1)
    line.close()
    wait_for_condition(lambda: service.gone == ["/left"])


def test_a_held_call_does_not_keep_the_server_from_stopping(
    line: socket.socket, token: Token, service: Endpoints, server: Server
) -> None:
    line.sendall(request(token, hold_ms=10_000, known_version=1))
    wait_for_condition(lambda: service.lists == 1)
    assert server.stop()
    assert b"503" in line.recv(4096)
