"""The controller's ASGI application: services, bundles and health on one port."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Final

from iris_api.rpc import cluster_pb2
from iris_api.rpc.app import RpcApp, service_methods
from iris_api.rpc.asgi import ASGIApp, Receive, Scope, Send, send_reply
from iris_api.rpc.fallback import connect_fallback
from iris_controller.bundles import BundleApp
from iris_controller.loop import ControlLoop

__all__ = ["make_app"]

_MODULE: Final = "iris_api.rpc.cluster_connect"


def make_app(
    services: dict[str, object],
    bundles: BundleApp,
    loop: ControlLoop,
    troubles: Callable[[], Sequence[str]] = tuple,
) -> RpcApp:
    """`services` by their name in the proto file. The control loop starts with the first look at its
    health, which is the controller's own: only then is there an event loop to start it on. `troubles`:
    what stands still around it."""
    methods = {}
    for name, service in services.items():
        methods.update(service_methods(name, service, cluster_pb2.DESCRIPTOR))
    routes: dict[str, ASGIApp] = {"/bundles/": bundles, "/health": _Health(loop, troubles)}
    return RpcApp(methods, connect_fallback(_MODULE, services), routes=routes)


class _Health:
    """200 while the control loop does its work, else 503 and the reason. Troubles around it are listed and
    change no status: to restart the controller would not help."""

    def __init__(self, loop: ControlLoop, troubles: Callable[[], Sequence[str]]) -> None:
        self._loop, self._troubles = loop, troubles

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._loop.start()
        trouble = self._loop.trouble()
        body: dict[str, object] = {"status": "ok"}
        if trouble:
            body = {"status": "unhealthy", "reason": trouble}
        if around := list(self._troubles()):
            body["troubles"] = around
        status = 503 if trouble else 200
        await send_reply(send, status, b"application/json", (json.dumps(body).encode(),))
