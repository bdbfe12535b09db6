"""A small real Endpoints service, kept in memory."""

from __future__ import annotations

import asyncio
from typing import Any

from iris_api.errors import Refused
from iris_api.rpc import cluster_pb2 as pb
from iris_api.rpc.asgi import Receive, Scope, Send, send_reply

LIST = "/iris.cluster.v1.Endpoints/List"
REGISTER = "/iris.cluster.v1.Endpoints/Register"


async def health(scope: Scope, receive: Receive, send: Send) -> None:
    await send_reply(send, 200, b"text/plain", (b"ok",))


class Endpoints:
    """`gone` holds the names of the polls that were cancelled; `lists` counts what was asked."""

    def __init__(self) -> None:
        self.table: dict[str, pb.Endpoint] = {}
        self.version = 1
        self.renewed: list[str] = []
        self.gone: list[str] = []
        self.lists = 0
        self._changed = asyncio.Event()

    async def register(
        self, request: pb.RegisterEndpointRequest, ctx: Any = None
    ) -> pb.RegisterEndpointReply:
        if not request.endpoint.name.startswith("/"):
            raise Refused("invalid_argument", f"{request.endpoint.name!r} is no full name")
        self.table[request.endpoint.uid] = request.endpoint
        self._bump()
        return pb.RegisterEndpointReply()

    async def renew(self, request: pb.RenewEndpointsRequest, ctx: Any = None) -> pb.RenewEndpointsReply:
        self.renewed += request.uids
        return pb.RenewEndpointsReply(unknown=[uid for uid in request.uids if uid not in self.table])

    async def unregister(
        self, request: pb.UnregisterEndpointsRequest, ctx: Any = None
    ) -> pb.UnregisterEndpointsReply:
        for uid in request.uids:
            self.table.pop(uid, None)
        self._bump()
        return pb.UnregisterEndpointsReply()

    async def list(self, request: pb.ListEndpointsRequest, ctx: Any = None) -> pb.ListEndpointsReply:
        self.lists += 1
        if request.name == "/bug":
            raise ZeroDivisionError("of the service")
        if request.hold_ms and request.known_version >= self.version:
            await self._hold(request)
        found = [e for e in self.table.values() if e.name == request.name]
        return pb.ListEndpointsReply(endpoints=found, version=self.version)

    async def _hold(self, request: pb.ListEndpointsRequest) -> None:
        try:
            async with asyncio.timeout(request.hold_ms / 1000):
                await self._changed.wait()
        except TimeoutError:
            return
        except asyncio.CancelledError:
            self.gone.append(request.name)
            raise

    def _bump(self) -> None:
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()
