"""The generated Connect applications behind an RpcApp: imported at the first call that needs them."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from iris_api.errors import Refused
from iris_api.rpc.asgi import ASGIApp, Receive, Scope, Send, send_refusal

__all__ = ["connect_fallback"]

_LIMIT: Final = 64 * 1024 * 1024


def connect_fallback(
    module: str, services: Mapping[str, object], *, limit: int = _LIMIT
) -> Callable[[], ASGIApp]:
    """What makes the Connect applications of `services` (name in the proto file -> implementation),
    whose generated code is in `module`, such as "iris_api.rpc.cluster_connect"."""

    def make() -> ASGIApp:
        generated = importlib.import_module(module)
        apps: dict[str, ASGIApp] = {}
        for name, service in services.items():
            app = getattr(generated, f"{name}ASGIApplication")(
                service, interceptors=(_RefusalInterceptor(),), read_max_bytes=limit
            )
            apps[app.path] = app
        return _by_service(apps)

    return make


def _by_service(apps: Mapping[str, ASGIApp]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        found = apps.get(path.rpartition("/")[0])
        if found is None:
            await send_refusal(send, "unimplemented", f"there is no service at {path}")
        else:
            await found(scope, receive, send)

    return app


class _RefusalInterceptor:
    """Tells Connect what Refused means."""

    async def intercept_unary(self, call_next: Callable[..., Awaitable[Any]], request: Any, ctx: Any) -> Any:
        try:
            return await call_next(request, ctx)
        except Refused as refusal:
            raise _as_connect(refusal) from refusal

    async def intercept_server_stream(self, call_next: Callable[..., Any], request: Any, ctx: Any) -> Any:
        try:
            async for reply in call_next(request, ctx):
                yield reply
        except Refused as refusal:
            raise _as_connect(refusal) from refusal


def _as_connect(refusal: Refused) -> Exception:
    from connectrpc.code import Code
    from connectrpc.errors import ConnectError

    return ConnectError(Code(refusal.code), refusal.message)
