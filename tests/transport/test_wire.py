"""What is on the wire: any Connect client and curl can make a call; strangers cannot."""

from __future__ import annotations

import contextlib
import http.client
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iris_actor.http import wire
from iris_api.credentials import Token
from iris_api.errors import Refused
from iris_api.rpc import actor_pb2 as pb
from iris_api.rpc.actor_connect import ActorClientSync
from iris_api.transport import Listener, RemoteFailure, Reply, Request
from tests.transport.handlers import Handlers

CALL = "/iris.actor.v1.Actor/Call"


def post(listener: Listener, body: bytes | str, path: str = CALL, **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", listener.port, timeout=10)
    try:
        connection.request("POST", path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def bearer(token: Token) -> dict[str, str]:
    return {"authorization": f"Bearer {token.reveal()}", "content_type": "application/json"}


def test_curl_calls_with_json_and_gets_json(listener: Listener, token: Token) -> None:
    body = {"actor": "a", "method": "call", "args": [1, 2.5, "x", None, [True]], "kwargs": {"k": {"n": 7}}}
    status, reply = post(listener, json.dumps(body), **bearer(token))
    assert status == 200
    assert reply == {"value": {"args": [1, 2.5, "x", None, [True]], "kwargs": {"k": {"n": 7}}}}


def test_whole_numbers_of_json_are_int(listener: Listener, token: Token, handlers: Handlers) -> None:
    post(listener, '{"actor": "a", "method": "call", "args": [2, 2.5]}', **bearer(token))
    args, _ = pickle.loads(handlers.seen[0].head)
    assert [type(arg) for arg in args] == [int, float]


def test_json_without_arguments_is_a_call_too(listener: Listener, token: Token) -> None:
    _, reply = post(listener, '{"actor": "a", "method": "call"}', **bearer(token))
    assert reply == {"value": {"args": [], "kwargs": {}}}


def test_a_value_that_json_does_not_have_is_a_failure(listener: Listener, token: Token) -> None:
    _, reply = post(listener, '{"actor": "a", "method": "lock"}', **bearer(token))
    assert "JSON does not have" in reply["failure"]["message"]


def test_a_failure_is_told_in_json(listener: Listener, token: Token) -> None:
    _, reply = post(listener, '{"actor": "a", "method": "fail"}', **bearer(token))
    assert reply == {"failure": {"type": "a.Error", "message": "message", "traceback": "trace"}}


def test_a_refusal_is_a_connect_error(listener: Listener, token: Token) -> None:
    status, reply = post(listener, '{"actor": "a", "method": "nothing"}', **bearer(token))
    assert (status, reply) == (501, {"code": "unimplemented", "message": "no nothing"})


def test_a_deadline_of_curl_is_kept(listener: Listener, token: Token, handlers: Handlers) -> None:
    headers = bearer(token) | {"connect_timeout_ms": "150"}
    status, reply = post(listener, '{"actor": "a", "method": "wait"}', **headers)
    handlers.release.set()
    assert (status, reply["code"]) == (504, "deadline_exceeded")


@pytest.mark.parametrize("size", [10, 400_000])
def test_the_stock_client_calls_and_gets_a_pickle(listener: Listener, token: Token, size: int) -> None:
    head = {"authorization": f"Bearer {token.reveal()}"}
    request = pb.CallRequest(actor="a", method="echo", head=b"h", buffers=[b"b" * size])
    with ActorClientSync(listener.address, send_compression=None) as client:
        reply = client.call(request, headers=head)
    assert (reply.head, list(reply.buffers)) == (b"h", [b"b" * size])


def test_the_stock_client_may_compress(listener: Listener, token: Token) -> None:
    head = {"authorization": f"Bearer {token.reveal()}"}
    with ActorClientSync(listener.address) as client:
        assert client.call(pb.CallRequest(actor="a", method="echo", head=b"h" * 5000), headers=head).head


@pytest.mark.parametrize("compressed", [True, False])
def test_the_stock_client_streams_replies(listener: Listener, token: Token, compressed: bool) -> None:
    head = {"authorization": f"Bearer {token.reveal()}"}
    calls = [pb.CallRequest(actor="a", method="echo", head=b"h", id=i) for i in (3, 4)]
    calls.append(pb.CallRequest(actor="a", method="nothing", head=b"h", id=5))
    more = {} if compressed else {"send_compression": None}
    with ActorClientSync(listener.address, **more) as client:  # type: ignore[arg-type]
        messages = client.call_many(pb.CallManyRequest(calls=calls), headers=head)
        replies = {reply.id: reply for message in messages for reply in message.replies}
    assert sorted(replies) == [3, 4, 5]
    assert replies[3].head == b"h"
    assert replies[5].refused == "unimplemented"


def test_health_is_open(listener: Listener) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", listener.port, timeout=10)
    connection.request("GET", "/health")
    assert connection.getresponse().read() == b"ok"
    connection.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"content_type": "application/proto"},
        {"content_type": "application/proto", "authorization": "Bearer wrong"},
        {"content_type": "application/json"},
        {"content_type": "application/proto", "host": "evil.example"},
        {"content_type": "application/proto", "origin": "http://evil.example"},
    ],
)
@pytest.mark.parametrize("path", [CALL, CALL + "Many"])
def test_nothing_of_a_stranger_is_looked_at(
    listener: Listener, handlers: Handlers, headers: dict[str, str], path: str
) -> None:
    call = Request("a", "call", pickle.dumps(((), {})))
    status, reply = post(listener, b"".join(wire.encode_call(call)), path, **headers)
    assert status in (401, 403)
    assert reply["code"] in ("unauthenticated", "permission_denied")
    assert handlers.seen == []


@pytest.mark.parametrize(
    "body", [b"\xff\xff\xff", b"\x72\x7f", b"\x0b", b"\xff" * 70_000, b"\x72\xff\xff\xff\x0f" * 20_000]
)
def test_garbage_is_refused(listener: Listener, token: Token, handlers: Handlers, body: bytes) -> None:
    headers = bearer(token) | {"content_type": "application/proto"}
    status, reply = post(listener, body, **headers)
    assert (status, reply["code"]) == (400, "invalid_argument")
    assert handlers.seen == []


@given(
    head=st.binary(max_size=200),
    sizes=st.lists(st.sampled_from([0, 1, 127, 128, 70_000]), max_size=4),
    text=st.text(max_size=20),
    number=st.integers(0, 2**63),
)
def test_what_is_framed_here_is_what_protobuf_reads(
    head: bytes, sizes: list[int], text: str, number: int
) -> None:
    buffers = tuple(memoryview(bytes(size)) for size in sizes)
    encoded = b"".join(wire.encode_call(Request("a", text, head, buffers, "uid"), number))
    message = pb.CallRequest.FromString(encoded)
    assert (message.actor, message.method, message.id, message.head) == ("a", text, number, head)
    assert list(message.buffers) == [bytes(buffer) for buffer in buffers]
    call = wire.decode_call(message.SerializeToString(), 5.0)
    assert (call.id, call.request.head, call.request.method) == (number, head, text)
    assert list(call.request.buffers) == list(buffers)


@given(
    head=st.binary(max_size=200),
    sizes=st.lists(st.sampled_from([0, 128, 70_000]), max_size=3),
    failed=st.booleans(),
)
def test_replies_too(head: bytes, sizes: list[int], failed: bool) -> None:
    failure = RemoteFailure("a.B", "message", "trace") if failed else None
    reply = Reply(head, tuple(memoryview(bytes(size)) for size in sizes), failure)
    small, read = wire.decode_reply(wire.encode_reply(reply, 9))
    assert (small.id, bytes(read.head), list(read.buffers), read.failure) == (
        9,
        head,
        list(reply.buffers),
        failure,
    )


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    for body in (data, data + bytes(70_000)):
        with contextlib.suppress(Refused):  # and nothing else
            wire.decode_call(body, None)


@given(st.lists(st.binary(max_size=50), max_size=5), st.integers(1, 7))
def test_envelopes_are_split_however_they_arrive(messages: list[bytes], step: int) -> None:
    data = b"".join(wire.envelope(message) for message in messages)
    buffer, found = bytearray(), []
    for at in range(0, len(data), step):
        buffer += data[at : at + step]
        found += [bytes(message) for _, message in wire.split_envelopes(buffer)]
    assert found == messages
    assert not buffer
