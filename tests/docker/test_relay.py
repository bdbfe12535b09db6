"""The way in of containers: connections that are passed on, byte for byte."""

from __future__ import annotations

import hashlib
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from iris_api.testing import wait_for_condition
from iris_backends.docker._relay import Relay, listen, resolve
from tests.backends.support import open_files

LIMIT = 300


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """The controller's end."""
    with socket.create_server(("127.0.0.1", 0), backlog=LIMIT) as listener:
        listener.settimeout(10)
        yield listener


@pytest.fixture
def relay(server: socket.socket) -> Iterator[Relay]:
    with relay_to(server.getsockname()[1]) as made:
        yield made


@contextmanager
def relay_to(port: int, host: str = "127.0.0.1", limit: int = LIMIT) -> Iterator[Relay]:
    made = Relay(listen("127.0.0.1", 0), resolve(host, port), limit)
    try:
        yield made
    finally:
        made.close()


def connect(relay: Relay) -> socket.socket:
    return socket.create_connection((relay.host, relay.port), timeout=10)


def accept(server: socket.socket) -> socket.socket:
    connection, _ = server.accept()
    connection.settimeout(10)
    return connection


def receive_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(1 << 20), b""))


def fill(connection: socket.socket) -> int:
    """Send until nothing goes for a while; the number of bytes."""
    connection.settimeout(0.3)
    sent = 0
    try:
        while sent < 1 << 30:
            sent += connection.send(bytes(1 << 16))
    except TimeoutError:
        connection.settimeout(10)
    return sent


def is_refused(relay: Relay) -> bool:
    """Whether a connection is reset instead of being passed on to somebody who says nothing."""
    try:
        with connect(relay) as client:
            client.settimeout(0.2)
            client.recv(1)
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True
    raise AssertionError("neither reset nor silent")


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_64_mib_go_both_ways_at_once(relay: Relay, server: socket.socket) -> None:
    size = 64 << 20
    data = {name: os.urandom(1 << 20) * 64 for name in ("client", "server")}

    def send(connection: socket.socket, what: bytes) -> None:
        connection.sendall(what)
        connection.shutdown(socket.SHUT_WR)

    with connect(relay) as client, accept(server) as answering, ThreadPoolExecutor(4) as pool:
        pool.submit(send, client, data["client"])
        pool.submit(send, answering, data["server"])
        got = pool.submit(receive_all, client), pool.submit(receive_all, answering)
        at_client, at_server = (one.result(30) for one in got)
    assert (len(at_client), len(at_server)) == (size, size)
    assert hashlib.sha256(at_client).digest() == hashlib.sha256(data["server"]).digest()
    assert hashlib.sha256(at_server).digest() == hashlib.sha256(data["client"]).digest()


def test_one_that_has_said_all_still_gets_its_answer(relay: Relay, server: socket.socket) -> None:
    with connect(relay) as client:
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        with accept(server) as answering:
            assert receive_all(answering) == b"question"
            answering.sendall(b"answer")
        assert receive_all(client) == b"answer"


@pytest.mark.parametrize("who", ["client", "server"])
def test_a_reset_is_passed_on(relay: Relay, server: socket.socket, who: str) -> None:
    with connect(relay) as client, accept(server) as answering:
        ends = {"client": client, "server": answering}
        broken = ends.pop(who)
        (other,) = ends.values()
        reset(broken)
        with pytest.raises(ConnectionResetError):
            other.recv(1)


def test_one_that_does_not_read_holds_the_other_back(relay: Relay, server: socket.socket) -> None:
    """Nothing piles up in between but what the kernel keeps."""
    with connect(relay) as client, accept(server) as answering:
        sent = fill(answering)
        assert sent < 64 << 20
        answering.shutdown(socket.SHUT_WR)
        assert len(receive_all(client)) == sent


def test_many_connections_at_once(relay: Relay, server: socket.socket) -> None:
    clients = [connect(relay) for _ in range(200)]
    answering = [accept(server) for _ in clients]
    for number, client in enumerate(clients):
        client.sendall(b"%d" % number)
    for one in answering:
        one.sendall(one.recv(100))
    assert [client.recv(100) for client in clients] == [b"%d" % number for number in range(200)]
    for one in (*clients, *answering):
        one.close()


def test_one_too_many_is_reset(server: socket.socket) -> None:
    with relay_to(server.getsockname()[1], limit=1) as relay:
        with connect(relay), accept(server):
            assert is_refused(relay)
        wait_for_condition(lambda: not is_refused(relay), message="room for another one")


def test_the_controller_is_away_and_comes_back(relay: Relay, server: socket.socket) -> None:
    port = server.getsockname()[1]
    server.close()
    assert is_refused(relay)
    with socket.create_server(("127.0.0.1", port)) as again, connect(relay) as client:
        again.settimeout(10)
        client.sendall(b"?")
        with accept(again) as answering:
            assert answering.recv(1) == b"?"


def test_the_next_address_of_a_name_is_tried(server: socket.socket) -> None:
    """Such as 127.0.0.1 after ::1, where nobody listens."""
    with relay_to(server.getsockname()[1]) as relay:
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            closed = nobody.getsockname()
        relay.target = [(socket.AF_INET, closed), *relay.target]
        with connect(relay) as client:
            client.sendall(b"?")
            with accept(server) as answering:
                assert answering.recv(1) == b"?"


def test_nothing_is_left_of_it(server: socket.socket) -> None:
    before = open_files()
    with relay_to(server.getsockname()[1]) as relay:
        with connect(relay) as client, accept(server) as answering:
            client.sendall(b"?")
            assert answering.recv(1) == b"?"
        still = connect(relay), accept(server)
    for one in still:
        with one, pytest.raises(ConnectionResetError):
            one.recv(1)
    assert open_files() == before


def test_it_is_idle_while_nothing_can_be_done(relay: Relay, server: socket.socket) -> None:
    """The client is gone with all it had sent, and the server neither reads that nor ends."""
    with connect(relay) as client, accept(server) as answering:
        answering.shutdown(socket.SHUT_WR)
        fill(client)
        client.shutdown(socket.SHUT_WR)
        before = time.process_time()
        threading.Event().wait(0.3)
        assert time.process_time() - before < 0.1
