"""The Connect stack before an ActorApp: JSON, gzip, gRPC-Web. Imported at the first such call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from iris_actor.http.values import reply_message
from iris_actor.http.wire import IncomingCall, incoming
from iris_api.errors import Refused
from iris_api.rpc import actor_pb2 as pb
from iris_api.rpc.asgi import ASGIApp
from iris_api.rpc.fallback import connect_fallback
from iris_api.transport import Reply

if TYPE_CHECKING:
    from iris_actor.http.app import ActorApp

__all__ = ["connect_app"]


def connect_app(app: ActorApp, limit: int) -> ASGIApp:
    return connect_fallback("iris_api.rpc.actor_connect", {"Actor": _Service(app)}, limit=limit)()


class _Service:
    """The generated service's protocol; calls run as those of the bare path do."""

    def __init__(self, app: ActorApp) -> None:
        self._app = app

    async def call(self, request: pb.CallRequest, ctx: Any) -> pb.CallReply:
        reply: pb.CallReply = await self._app.run(_incoming(request, ctx), None, _message)
        return reply

    async def call_many(self, request: pb.CallManyRequest, ctx: Any) -> AsyncIterator[pb.CallManyReply]:
        for ended in asyncio.as_completed([self._one(call, ctx) for call in request.calls]):
            yield pb.CallManyReply(replies=[await ended])

    async def _one(self, request: pb.CallRequest, ctx: Any) -> pb.CallReply:
        try:
            return await self.call(request, ctx)
        except Refused as refusal:
            return pb.CallReply(id=request.id, refused=refusal.code, refused_message=refusal.message)


def _incoming(request: pb.CallRequest, ctx: Any) -> IncomingCall:
    left = ctx.timeout_ms
    buffers = tuple(memoryview(bytearray(buffer)) for buffer in request.buffers)
    return incoming(request, request.head, buffers, None if left is None else left / 1000)


def _message(reply: Reply, call: IncomingCall) -> pb.CallReply:
    return reply_message(reply, call.id, as_json=call.as_json)
