"""RpcClient against real servers, and against sockets that behave badly."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import pytest

from iris_api.credentials import Token, new_token
from iris_api.errors import DeadlineExceeded, InvalidSpec, Lost, NotSent, Refused, TransportError
from iris_api.rpc import cluster_pb2 as pb
from iris_api.rpc.client import RpcClient
from iris_api.rpc.serving import Server
from iris_api.testing import wait_for_condition
from iris_api.threads import ThreadContainer
from tests.rpc.service import LIST, REGISTER, Endpoints


def ask(
    client: RpcClient, name: str = "/calc", timeout: float = 10.0, hold_ms: int = 0
) -> pb.ListEndpointsReply:
    request = pb.ListEndpointsRequest(name=name, hold_ms=hold_ms, known_version=1 if hold_ms else 0)
    return client.call(LIST, request, pb.ListEndpointsReply, timeout)


def raw_server(threads: ThreadContainer, talk: Callable[[socket.socket], object]) -> str:
    """An address where `talk` gets each connection, one after the other."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept(stop: threading.Event) -> None:
        with listener:
            listener.settimeout(0.05)
            while not stop.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                with connection:
                    talk(connection)

    threads.spawn(accept, "raw-server")
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_call_brings_its_reply(client: RpcClient) -> None:
    endpoint = pb.Endpoint(uid="1", name="/calc", address="http://a:1")
    client.call(REGISTER, pb.RegisterEndpointRequest(endpoint=endpoint), pb.RegisterEndpointReply)
    assert list(ask(client).endpoints) == [endpoint]


def test_a_refusal_keeps_code_and_message(client: RpcClient) -> None:
    request = pb.RegisterEndpointRequest(endpoint=pb.Endpoint(name="calc"))
    with pytest.raises(Refused, match="'calc' is no full name") as caught:
        client.call(REGISTER, request, pb.RegisterEndpointReply)
    assert caught.value.code == "invalid_argument"


def test_a_bug_of_the_service_is_named(client: RpcClient) -> None:
    with pytest.raises(Refused, match="ZeroDivisionError: of the service") as caught:
        ask(client, "/bug")
    assert caught.value.code == "internal"


def test_unknown_method_is_refused(client: RpcClient) -> None:
    with pytest.raises(Refused, match="Nope"):
        client.call("/iris.cluster.v1.Endpoints/Nope", pb.ListEndpointsRequest(), pb.ListEndpointsReply)


def test_nobody_listens_is_not_sent(token: Token) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NotSent, match=rf"127\.0\.0\.1:{port}.*List: cannot connect.*refused"):
        ask(RpcClient(f"http://127.0.0.1:{port}", token))


def test_a_late_reply_is_a_deadline_that_says_what_it_waited_for(client: RpcClient) -> None:
    with pytest.raises(DeadlineExceeded, match=r"/iris.cluster.v1.Endpoints/List: .* 0\.\d+ s"):
        ask(client, timeout=0.2, hold_ms=5000)


def test_long_polls_of_many_threads_hold_no_thread_of_the_server(
    client: RpcClient, threads: ThreadContainer, service: Endpoints
) -> None:
    replies = []
    pollers = [
        threads.spawn(lambda stop: replies.append(ask(client, hold_ms=20000, timeout=30)), f"poll-{i}")
        for i in range(100)
    ]
    wait_for_condition(lambda: service.lists == 100)
    endpoint = pb.Endpoint(uid="1", name="/calc", address="http://a:1")
    client.call(REGISTER, pb.RegisterEndpointRequest(endpoint=endpoint), pb.RegisterEndpointReply)
    assert all(poller.join(10) for poller in pollers)
    assert [len(reply.endpoints) for reply in replies] == [1] * 100


def test_a_poll_whose_client_left_is_cancelled(server: Server, token: Token, service: Endpoints) -> None:
    client = RpcClient(server.address, token)
    with pytest.raises(DeadlineExceeded):
        ask(client, "/x", timeout=0.1, hold_ms=60000)
    client.close()
    wait_for_condition(lambda: service.gone == ["/x"])


def test_a_server_that_closes_mid_call_is_lost_at_once(threads: ThreadContainer) -> None:
    address = raw_server(threads, lambda connection: connection.recv(65536))
    started = time.monotonic()
    with pytest.raises(Lost, match="connection closed, nothing received") as caught:
        ask(RpcClient(address), timeout=30)
    assert not isinstance(caught.value, DeadlineExceeded)
    assert time.monotonic() - started < 5


def test_a_truncated_reply_is_lost(threads: ThreadContainer) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/proto\r\ncontent-length: 50\r\n\r\n"
        connection.sendall(head + b"abc")

    with pytest.raises(Lost, match="closed after 3 of 50 bytes"):
        ask(RpcClient(raw_server(threads, talk)))


def test_an_idle_connection_that_the_server_closed_is_not_reused(threads: ThreadContainer) -> None:
    body = pb.ListEndpointsReply(version=7).SerializeToString()

    closed = threading.Semaphore(0)

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/proto\r\ncontent-length: %d\r\n\r\n"
        connection.sendall(head % len(body) + body)
        connection.close()
        closed.release()

    client = RpcClient(raw_server(threads, talk))
    for _ in range(5):
        assert ask(client).version == 7
        assert closed.acquire(timeout=5)
    client.close()


@pytest.mark.parametrize("status", [b"200 OK", b"404 Not Found"])
def test_another_service_at_the_address_is_one_clear_error(threads: ThreadContainer, status: bytes) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        page = b"<html>hello</html>"
        head = b"HTTP/1.1 %b\r\ncontent-type: text/html\r\ncontent-length: %d\r\n\r\n"
        connection.sendall(head % (status, len(page)) + page)

    wanted = "this is no Iris server: it answered .* text/html: '<html>hello"
    with RpcClient(raw_server(threads, talk)) as client, pytest.raises(Refused, match=wanted):
        ask(client)


def test_a_server_that_speaks_no_http_is_one_clear_error(threads: ThreadContainer) -> None:
    address = raw_server(threads, lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n"))
    with pytest.raises(TransportError, match=r"no Iris server: b'SSH-2\.0"):
        ask(RpcClient(address))


def test_close_wakes_a_call_that_waits(
    client: RpcClient, threads: ThreadContainer, service: Endpoints
) -> None:
    caught: list[BaseException] = []

    def poll(stop: threading.Event) -> None:
        with pytest.raises(Lost) as info:
            ask(client, hold_ms=20000, timeout=30)
        caught.append(info.value)

    poller = threads.spawn(poll, "poll")
    wait_for_condition(lambda: service.lists == 1)
    client.close()
    assert poller.join(5)
    assert len(caught) == 1


def test_a_closed_client_sends_nothing(client: RpcClient) -> None:
    client.close()
    with pytest.raises(NotSent, match="closed"):
        ask(client)


@pytest.mark.parametrize(
    "address", ["", "controller:8080", "https://a:1", "http://", "http://a:1/x", "http://a:b"]
)
def test_a_bad_address_is_refused(address: str) -> None:
    with pytest.raises(InvalidSpec, match="address"):
        RpcClient(address)


def test_a_reply_over_the_limit_is_lost(server: Server, token: Token, client: RpcClient) -> None:
    endpoint = pb.Endpoint(uid="1", name="/calc", address="x" * 5000)
    client.call(REGISTER, pb.RegisterEndpointRequest(endpoint=endpoint), pb.RegisterEndpointReply)
    small = RpcClient(server.address, token, limit=1000)
    with pytest.raises(Lost, match="over the limit of 1000"):
        ask(small)
    small.close()


def test_a_large_request_and_reply_arrive_whole(client: RpcClient) -> None:
    endpoint = pb.Endpoint(uid="1", name="/calc", address="x" * 3_000_000)
    client.call(REGISTER, pb.RegisterEndpointRequest(endpoint=endpoint), pb.RegisterEndpointReply)
    assert ask(client).endpoints[0] == endpoint


def test_the_token_shows_in_no_repr() -> None:
    token = new_token()
    assert token.reveal() not in repr(RpcClient("http://127.0.0.1:1", token)) + repr(token)
