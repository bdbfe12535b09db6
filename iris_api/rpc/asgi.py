"""What ASGI handlers here have in common: their type, whole bodies, and replies in one piece."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from typing import Any, Final

from iris_api.errors import Refused

__all__ = ["HTTP_STATUS", "ASGIApp", "Receive", "Scope", "Send", "read_body", "send_refusal", "send_reply"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

HTTP_STATUS: Final = {
    "canceled": 499,
    "unknown": 500,
    "invalid_argument": 400,
    "deadline_exceeded": 504,
    "not_found": 404,
    "already_exists": 409,
    "permission_denied": 403,
    "resource_exhausted": 429,
    "failed_precondition": 400,
    "aborted": 409,
    "out_of_range": 400,
    "unimplemented": 501,
    "internal": 500,
    "unavailable": 503,
    "data_loss": 500,
    "unauthenticated": 401,
}
"""Connect's table of error codes."""

_JSON: Final = b"application/json"


async def read_body(receive: Receive, limit: int) -> bytes | bytearray | None:
    """The whole body, a large one in memory that may be written to; None if the client has gone.
    Raises Refused when it is over `limit` bytes."""
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body = message.get("body", b"")
        return _within(body, len(body), limit)
    parts: list[bytes] = []
    size = 0
    while message["type"] == "http.request":
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        _within(b"", size, limit)
        if not message.get("more_body"):
            return bytearray().join(parts)
        message = await receive()
    return None


def _within(body: bytes, size: int, limit: int) -> bytes:
    if size > limit:
        raise Refused("out_of_range", f"the request is over the limit of {limit} bytes")
    return body


async def send_reply(
    send: Send,
    status: int,
    content_type: bytes,
    parts: Sequence[bytes | memoryview],
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> None:
    """A whole reply; the last of `parts` may be large and is not copied."""
    size = b"%d" % sum(len(part) for part in parts)
    fixed = [(b"content-type", content_type), (b"content-length", size), *headers]
    await send({"type": "http.response.start", "status": status, "headers": fixed})
    for part in parts[:-1]:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": parts[-1] if parts else b"", "more_body": False})


async def send_refusal(send: Send, code: str, message: str) -> None:
    """A Connect error."""
    body = json.dumps({"code": code, "message": message}).encode()
    await send_reply(send, HTTP_STATUS.get(code, 500), _JSON, (body,))
