"""The gate and the server: who gets in, in which form."""

from __future__ import annotations

import gzip
import http.client
import json
import socket

import pytest

from iris_api.credentials import Token, new_token
from iris_api.errors import ConfigError, PlatformError, Refused
from iris_api.rpc import cluster_pb2 as pb
from iris_api.rpc import protocol
from iris_api.rpc.app import RpcApp
from iris_api.rpc.client import RpcClient
from iris_api.rpc.cluster_connect import EndpointsClientSync
from iris_api.rpc.serving import Server, serve
from iris_api.rpc.version import VERSION, compatible
from iris_api.threads import ThreadContainer
from tests.rpc.service import LIST


def send(
    server: Server, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def bearer(token: Token, **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token.reveal()}", "content-type": "application/json", **more}


def test_json_of_curl_is_answered(server: Server, token: Token) -> None:
    status, body = send(server, "POST", LIST, b'{"name": "/calc"}', bearer(token))
    assert (status, json.loads(body)) == (200, {"version": "1"})


def test_gzip_is_understood(server: Server, token: Token) -> None:
    headers = bearer(token) | {"content-encoding": "gzip", "content-type": "application/proto"}
    request = gzip.compress(pb.ListEndpointsRequest(name="/calc").SerializeToString())
    status, body = send(server, "POST", LIST, request, headers)
    assert status == 200
    assert pb.ListEndpointsReply.FromString(body).version == 1


def test_the_stock_connect_client_is_answered(server: Server, token: Token) -> None:
    with EndpointsClientSync(server.address) as client:
        reply = client.list(
            pb.ListEndpointsRequest(name="/calc"), headers={"authorization": f"Bearer {token.reveal()}"}
        )
    assert reply.version == 1


def test_refused_is_a_connect_error_for_json_too(server: Server, token: Token) -> None:
    path = "/iris.cluster.v1.Endpoints/Register"
    status, body = send(server, "POST", path, b'{"endpoint": {"name": "calc"}}', bearer(token))
    assert (status, json.loads(body)["code"]) == (400, "invalid_argument")


def test_health_is_open(server: Server) -> None:
    assert send(server, "GET", "/health") == (200, b"ok")


@pytest.mark.parametrize("path", [LIST, "/", "/health/../x", "/nothing"])
def test_everything_else_wants_the_token(server: Server, path: str) -> None:
    status, body = send(server, "POST", path)
    assert (status, json.loads(body)["code"]) == (401, "unauthenticated")


def test_a_wrong_token_is_refused_with_a_word(server: Server) -> None:
    client = RpcClient(server.address, new_token())
    with pytest.raises(Refused, match="wrong token") as caught:
        client.call(LIST, pb.ListEndpointsRequest(), pb.ListEndpointsReply)
    assert caught.value.code == "unauthenticated"
    client.close()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "", "[::1", "127.0.0.1.evil.example"])
def test_a_foreign_host_is_refused(server: Server, token: Token, host: str) -> None:
    status, body = send(server, "GET", "/health", headers=bearer(token, host=host))
    assert (status, json.loads(body)["code"]) == (403, "permission_denied")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
def test_a_foreign_origin_is_refused(server: Server, token: Token, origin: str) -> None:
    status, _ = send(server, "GET", "/health", headers=bearer(token, origin=origin))
    assert status == 403


def test_the_servers_own_origin_passes(server: Server, token: Token) -> None:
    assert send(server, "GET", "/health", headers=bearer(token, origin=server.address))[0] == 200


def test_another_minor_version_is_refused_naming_both(server: Server, token: Token) -> None:
    status, body = send(server, "POST", LIST, b"{}", bearer(token) | {"iris-version": "0.999.0"})
    message = json.loads(body)["message"]
    assert status == 501
    assert "0.999.0" in message
    assert VERSION in message


def test_another_patch_version_passes(server: Server, token: Token) -> None:
    minor = VERSION.rpartition(".")[0]
    assert send(server, "POST", LIST, b"{}", bearer(token) | {"iris-version": f"{minor}.77"})[0] == 200
    assert not compatible("1.0.0")


def test_a_path_that_is_nobodys_is_not_found(server: Server, token: Token) -> None:
    assert send(server, "GET", "/favicon.ico", headers=bearer(token))[0] == 404


def test_beyond_this_machine_a_token_is_a_must(app: RpcApp, threads: ThreadContainer) -> None:
    with pytest.raises(ConfigError, match="needs a token"):
        serve(app, host="0.0.0.0", port=0, threads=threads, name="open", token=None)


def test_a_port_in_use_is_one_clear_error(app: RpcApp, server: Server, threads: ThreadContainer) -> None:
    with pytest.raises(PlatformError, match=rf"127\.0\.0\.1:{server.port}: the port is in use"):
        serve(app, host="127.0.0.1", port=server.port, threads=threads, name="second", token=None)


def test_the_version_is_the_distributions() -> None:
    from importlib.metadata import version

    assert version("iris-cluster") == VERSION


def test_a_request_head_without_end_is_cut_off(server: Server, token: Token) -> None:
    """Nobody needs a token to send one, so it is bounded; others are not harmed."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as flood:
        flood.sendall(b"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\nx: ")
        with pytest.raises(OSError):
            flood.sendall(b"a" * 50_000_000)
    assert send(server, "GET", "/health", headers=bearer(token))[0] == 200


def test_a_request_head_that_does_not_come_is_not_waited_for(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection on which nothing whole comes is closed."""
    monkeypatch.setattr(protocol, "MOST_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as slow:
        slow.sendall(b"P")
        assert slow.recv(100) == b""
