"""The messages of actor.proto as bytes: small fields by protobuf, heads and buffers framed here.

protobuf would copy every buffer twice on each side. `head` and `buffers` are the last fields, so a
message is a small protobuf prefix followed by plain length-delimited pieces.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator
from typing import Final, TypeVar

from attrs import define
from google.protobuf.message import DecodeError

from iris_actor.http.values import pickled_arguments
from iris_api.errors import Refused
from iris_api.rpc import actor_pb2 as pb
from iris_api.rpc.connection import Body
from iris_api.transport import DEFAULT_TIMEOUT, RemoteFailure, Reply, Request

__all__ = [
    "CALL",
    "CALL_MANY",
    "END_OF_STREAM",
    "STREAM",
    "IncomingCall",
    "decode_call",
    "decode_calls",
    "decode_replies",
    "decode_reply",
    "encode_call",
    "encode_many",
    "encode_reply",
    "envelope",
    "incoming",
    "split_envelopes",
]

M = TypeVar("M", pb.CallRequest, pb.CallReply)

CALL: Final = "/iris.actor.v1.Actor/Call"
CALL_MANY: Final = "/iris.actor.v1.Actor/CallMany"
STREAM: Final = "application/connect+proto"  # content type of CallMany
END_OF_STREAM: Final = 2  # flag of Connect's last envelope

_HEAD: Final = 14
_BUFFERS: Final = 15
_HEAD_TAG: Final = bytes([_HEAD << 3 | 2])
_BUFFERS_TAG: Final = bytes([_BUFFERS << 3 | 2])
_ONE_TAG: Final = b"\x0a"  # field 1 of CallManyRequest and CallManyReply
_ID_TAG: Final = bytes([3 << 3])
_ID_OF_REPLY: Final = bytes([1 << 3])
_LARGE: Final = 65536  # bytes: beyond, buffers are views of what was received
_LARGE_MANY: Final = 2**20  # the same of a message of many
_ONE_BYTE: Final = tuple(bytes((number,)) for number in range(0x80))
_ENVELOPE: Final = struct.Struct(">BI")


@define
class IncomingCall:
    """A call as a server got it. `as_json`: its arguments were JSON values, and so is its reply's value."""

    request: Request
    id: int
    as_json: bool


def encode_call(request: Request, call_id: int = 0) -> list[Body]:
    """A CallRequest in pieces; the buffers are the caller's own memory."""
    small = _call_prefix(request.actor, request.method, request.endpoint_uid)
    if call_id:
        small += _ID_TAG + _varint(call_id)
    return _with_payload(small, request.head, request.buffers)


@functools.lru_cache(maxsize=1024)
def _call_prefix(actor: str, method: str, endpoint_uid: str) -> bytes:
    """What all calls of a method have in common, encoded."""
    return pb.CallRequest(actor=actor, method=method, endpoint_uid=endpoint_uid).SerializeToString()


def encode_reply(reply: Reply, call_id: int = 0) -> bytes:
    """A CallReply: a snapshot, since whoever returned an array may go on to change it."""
    small = _ID_OF_REPLY + _varint(call_id)
    if reply.failure is not None:
        failure = reply.failure
        message = pb.RemoteFailure(type=failure.type, message=failure.message, traceback=failure.traceback)
        small += pb.CallReply(failure=message).SerializeToString()
    return b"".join(_with_payload(small, reply.head, reply.buffers))


def _with_payload(small: bytes, head: Body, buffers: tuple[memoryview, ...]) -> list[Body]:
    if not buffers:
        return [b"".join((small, _HEAD_TAG, _varint(len(head)), head))]
    parts: list[Body] = [small, _HEAD_TAG, _varint(len(head)), head]
    for buffer in buffers:
        parts += (_BUFFERS_TAG + _varint(buffer.nbytes), buffer)
    return [b"".join(parts)] if sum(map(len, parts)) < _LARGE else parts


def encode_many(messages: list[bytes]) -> bytes:
    """An enveloped CallManyRequest of encoded calls, or CallManyReply of encoded replies."""
    return envelope(b"".join([piece for one in messages for piece in (_ONE_TAG, _varint(len(one)), one)]))


def envelope(message: bytes, flags: int = 0) -> bytes:
    return _ENVELOPE.pack(flags, len(message)) + message


def split_envelopes(data: bytearray) -> Iterator[tuple[int, memoryview]]:
    """Flags and message of each whole envelope in `data`, which are removed from it."""
    start = 0
    found = []
    while len(data) - start >= 5:
        flags, length = _ENVELOPE.unpack_from(data, start)
        if len(data) - start - 5 < length:
            break
        found.append((flags, memoryview(data[start + 5 : start + 5 + length])))
        start += 5 + length
    del data[:start]
    yield from found


def decode_calls(message: memoryview, timeout: float | None) -> list[IncomingCall]:
    """The calls of a CallManyRequest. Raises Refused when it is none."""
    try:
        if len(message) >= _LARGE_MANY:
            return [decode_call(call, timeout) for call in _split_many(message)]
        calls = pb.CallManyRequest.FromString(bytes(message)).calls
    except (ValueError, DecodeError) as error:
        raise Refused("invalid_argument", f"the request is no CallManyRequest: {error}") from error
    return [incoming(call, call.head, _copies(call), timeout) for call in calls]


def _split_many(message: memoryview) -> list[memoryview]:
    """The encoded calls of a CallManyRequest, or replies of a CallManyReply."""
    return [value for number, value, _ in _fields(message) if number == 1 and value is not None]


def decode_replies(message: memoryview) -> Iterator[tuple[pb.CallReply, Reply]]:
    """As `decode_reply`, of each in a CallManyReply."""
    if len(message) >= _LARGE_MANY:
        yield from map(decode_reply, _split_many(message))
        return
    for small in pb.CallManyReply.FromString(bytes(message)).replies:
        yield small, _reply(small, small.head, _copies(small))


def decode_call(body: Body, timeout: float | None) -> IncomingCall:
    """The call in an encoded CallRequest. Raises Refused when it is none."""
    try:
        message, head, buffers = _parse(pb.CallRequest, body)
    except (ValueError, DecodeError) as error:
        raise Refused("invalid_argument", f"the request is no CallRequest: {error}") from error
    return incoming(message, bytes(head), buffers, timeout)


def incoming(
    message: pb.CallRequest, head: bytes, buffers: tuple[memoryview, ...], timeout: float | None
) -> IncomingCall:
    """The call of a parsed CallRequest, whose payload is given beside it."""
    as_json = not head and not message.HasField("head")
    if as_json:
        head = pickled_arguments(message)
    seconds = DEFAULT_TIMEOUT if timeout is None else timeout
    request = Request(message.actor, message.method, head, buffers, message.endpoint_uid, seconds)
    return IncomingCall(request, message.id, as_json)


def decode_reply(body: Body) -> tuple[pb.CallReply, Reply]:
    """A CallReply's small fields, and the reply in it. Raises ValueError or DecodeError when it is none."""
    small, head, buffers = _parse(pb.CallReply, body)
    return small, _reply(small, head, buffers)


def _reply(small: pb.CallReply, head: bytes | memoryview, buffers: tuple[memoryview, ...]) -> Reply:
    if not small.HasField("failure"):
        return Reply(head, buffers)
    failure = RemoteFailure(small.failure.type, small.failure.message, small.failure.traceback)
    return Reply(head, buffers, failure)


def _copies(message: pb.CallRequest | pb.CallReply) -> tuple[memoryview, ...]:
    return tuple([memoryview(bytearray(buffer)) for buffer in message.buffers])


def _parse(kind: type[M], body: Body) -> tuple[M, bytes | memoryview, tuple[memoryview, ...]]:
    """Small fields, head and buffers; views of `body` when it is large, writable copies otherwise."""
    if len(body) >= _LARGE:
        fields, head, buffers = _split_payload(bytearray(body) if isinstance(body, bytes) else body)
        return kind.FromString(fields), head, buffers
    message = kind.FromString(bytes(body))
    return message, message.head, _copies(message)


def _split_payload(body: Body) -> tuple[bytes, memoryview, tuple[memoryview, ...]]:
    """The fields other than head and buffers as bytes, the head, the buffers."""
    head = memoryview(b"")
    buffers: list[memoryview] = []
    small: list[memoryview] = []
    for number, value, whole in _fields(memoryview(body)):
        if value and number == _HEAD:  # an empty one counts by being there: it stays with the small fields
            head = value
        elif value is not None and number == _BUFFERS:
            buffers.append(value)
        else:
            small.append(whole)
    return b"".join(small), head, tuple(buffers)


def _fields(body: memoryview) -> Iterator[tuple[int, memoryview | None, memoryview]]:
    """Number, value (None unless length-delimited) and whole encoding of each field."""
    at, end = 0, len(body)
    while at < end:
        start = at
        tag, at = _read_varint(body, at)
        kind = tag & 7
        value = None
        if kind == 2:
            length, at = _read_varint(body, at)
            value = body[at : at + length]
            at += length
        elif kind == 0:
            _, at = _read_varint(body, at)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise ValueError(f"unknown wire type {kind}")
        if at > end:
            raise ValueError("truncated")
        yield tag >> 3, value, body[start:at]


def _read_varint(body: memoryview, at: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        if at >= len(body) or shift > 63:
            raise ValueError("truncated")
        byte = body[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, at
        shift += 7


def _varint(number: int) -> bytes:
    if number < 0x80:
        return _ONE_BYTE[number]
    if number < 0x4000:
        return bytes((number & 0x7F | 0x80, number >> 7))
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
