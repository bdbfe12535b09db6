"""RpcApp: Connect unary calls in binary protobuf, answered without the Connect stack in between.

Everything else (JSON, gzip, gRPC-Web, streams) goes to the generated application, made at first need.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

from attrs import frozen
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from iris_api.errors import Refused
from iris_api.rpc.asgi import ASGIApp, Receive, Scope, Send, read_body, send_refusal, send_reply
from iris_api.rpc.watch import DisconnectWatch

__all__ = ["CutOff", "Method", "RpcApp", "answer", "service_methods", "timeout_of"]

_PROTO: Final = b"application/proto"
_LIMIT: Final = 64 * 1024 * 1024
_log = logging.getLogger("iris.rpc")


@frozen
class Method:
    """`handler` runs on the loop; it raises Refused to answer a Connect error. It is cancelled when
    the client's deadline passes or its connection ends."""

    request_type: type[Message]
    handler: Callable[[Any], Awaitable[Message]]


def service_methods(service_name: str, service: object, file: FileDescriptor) -> dict[str, Method]:
    """Every unary rpc of a service by path: ``SubmitJob`` is ``async def submit_job(request, ctx=None)``."""
    descriptor = file.services_by_name[service_name]
    methods = {}
    for rpc in descriptor.methods:
        if not rpc.client_streaming and not rpc.server_streaming:
            handler = getattr(service, _snake(rpc.name))
            methods[f"/{descriptor.full_name}/{rpc.name}"] = Method(GetMessageClass(rpc.input_type), handler)
    return methods


class CutOff(Protocol):
    """Why a handler may have been cancelled: its client has gone, or its time was over."""

    gone: bool
    expired: bool
    seconds: float | None


class RpcApp:
    """An ASGI application of methods by path, of `routes` by path or path prefix, and a `fallback` for
    calls in another form than binary unary. `limit`: bytes of a request."""

    def __init__(
        self,
        methods: Mapping[str, Method],
        fallback: Callable[[], ASGIApp] | None = None,
        *,
        routes: Mapping[str, ASGIApp] | None = None,
        limit: int = _LIMIT,
    ) -> None:
        self._methods = dict(methods)
        self._services = {path.rpartition("/")[0] for path in methods}
        self._make_fallback = fallback
        self._fallback: ASGIApp | None = None
        self._routes = dict(routes or {})
        self.limit = limit

    def method(self, path: str) -> Method | None:
        return self._methods.get(path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        method = self._methods.get(path)
        if method is not None and _is_binary_unary(scope):
            await self._answer(method, scope, receive, send)
        elif (app := self._other(path)) is not None:
            await app(scope, receive, send)
        else:
            await send_refusal(send, "not_found", f"there is nothing at {path}")

    def _other(self, path: str) -> ASGIApp | None:
        if path.rpartition("/")[0] in self._services and self._make_fallback is not None:
            if self._fallback is None:
                self._fallback = self._make_fallback()
            return self._fallback
        return self._route(path)

    def _route(self, path: str) -> ASGIApp | None:
        """The longest route that is the path or a parent of it."""
        prefix = path
        while prefix:
            app = self._routes.get(prefix) or self._routes.get(prefix + "/")
            if app is not None:
                return app
            prefix = prefix.rpartition("/")[0]
        return self._routes.get("/")

    async def _answer(self, method: Method, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await read_body(receive, self.limit)
            if body is None:
                return
            watch = DisconnectWatch(receive, timeout_of(scope))
            try:
                reply = await answer(method, body, scope["path"], watch)
            finally:
                watch.end()
        except Refused as refusal:
            await send_refusal(send, refusal.code, refusal.message)
            return
        if reply is not None:
            await send_reply(send, 200, _PROTO, (reply.SerializeToString(),))


async def answer(method: Method, body: bytes | bytearray, path: str, watch: CutOff) -> Message | None:
    """The reply to an encoded request; None if the client has gone. Raises Refused."""
    try:
        request = method.request_type.FromString(body)  # type: ignore[arg-type]  # any buffer will do
    except DecodeError as error:
        name = method.request_type.DESCRIPTOR.name
        raise Refused("invalid_argument", f"the request is no {name}") from error
    try:
        return await method.handler(request)
    except Refused:
        raise
    except asyncio.CancelledError as error:
        _check_cut_off(watch, path, error)
        return None
    except Exception as error:
        _log.exception("%s failed", path)
        raise Refused("internal", f"{path} failed: {type(error).__name__}: {error}") from error


def _check_cut_off(watch: CutOff, path: str, error: BaseException) -> None:
    """Raise what a cancelled handler means for a client that is still there."""
    if watch.expired:
        raise Refused("deadline_exceeded", f"{path} did not end within {watch.seconds:.2f} s") from error
    if not watch.gone:
        raise Refused("unavailable", "the server is stopping") from error


def timeout_of(scope: Scope) -> float | None:
    """Seconds that the client gives the call; None where it does not say."""
    for name, value in scope["headers"]:
        if name == b"connect-timeout-ms" and value.isdigit():
            return int(value) / 1000
    return None


def _is_binary_unary(scope: Scope) -> bool:
    binary = False
    for name, value in scope["headers"]:
        if name == b"content-type":
            binary = value == _PROTO
        elif name == b"content-encoding" and value != b"identity":
            return False
    return binary and scope["method"] == "POST"


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
