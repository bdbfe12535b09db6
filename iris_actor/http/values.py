"""JSON values in place of pickles, for callers that are not Python."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any

from google.protobuf.struct_pb2 import ListValue, Struct, Value

from iris_api.rpc import actor_pb2 as pb
from iris_api.serialize import loads
from iris_api.transport import RemoteFailure, Reply

__all__ = ["pickled_arguments", "reply_message"]


def pickled_arguments(message: pb.CallRequest) -> bytes:
    """The payload of a call whose arguments are JSON values, or that has none."""
    args = tuple(_python(value) for value in message.args.values)
    kwargs = {key: _python(value) for key, value in message.kwargs.fields.items()}
    return pickle.dumps((args, kwargs), protocol=5)


def reply_message(reply: Reply, call_id: int, *, as_json: bool) -> pb.CallReply:
    """The reply as a message; with `as_json` a value in place of the pickle."""
    message = pb.CallReply(id=call_id)
    failure = reply.failure
    if as_json and failure is None:
        failure = _set_value(message, loads(reply.head, reply.buffers))
    elif not as_json:
        message.head = bytes(reply.head)
        message.buffers.extend(bytes(buffer) for buffer in reply.buffers)
    if failure is not None:
        message.failure.type, message.failure.message = failure.type, failure.message
        message.failure.traceback = failure.traceback
    return message


def _set_value(message: pb.CallReply, value: Any) -> RemoteFailure | None:
    try:
        message.value.CopyFrom(_json(value))
    except TypeError as error:
        return RemoteFailure("TypeError", str(error), "")
    return None


def _python(value: Value) -> Any:
    """Numbers without a fraction become int: JSON has one kind of number, and indices are common."""
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "list_value":
        return [_python(item) for item in value.list_value.values]
    if kind == "struct_value":
        return {key: _python(item) for key, item in value.struct_value.fields.items()}
    return None if kind in (None, "null_value") else getattr(value, kind)


def _json(value: Any) -> Value:
    if value is None:
        return Value(null_value=0)  # type: ignore[arg-type]
    if isinstance(value, bool):
        return Value(bool_value=value)
    if isinstance(value, int | float):
        return Value(number_value=value)
    if isinstance(value, str):
        return Value(string_value=value)
    if isinstance(value, list | tuple):
        return Value(list_value=ListValue(values=[_json(item) for item in value]))
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return Value(struct_value=Struct(fields={key: _json(item) for key, item in value.items()}))
    raise TypeError(f"the method returned {type(value).__name__}, which JSON does not have")
