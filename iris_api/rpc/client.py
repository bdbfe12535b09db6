"""RpcClient: unary Connect calls in the caller's own thread, and what a reply that is none means."""

from __future__ import annotations

import json
from typing import Final, NoReturn, Self, TypeVar

from google.protobuf.message import DecodeError, Message

from iris_api.credentials import Token
from iris_api.errors import DeadlineExceeded, Lost, Refused
from iris_api.rpc.connection import Response
from iris_api.rpc.http import DEFAULT_LIMIT, HttpPool

__all__ = ["PROTO", "RpcClient", "raise_refusal"]

PROTO: Final = "application/proto"
_PROTO: Final = PROTO.encode()
_CODES: Final = {400: "internal", 401: "unauthenticated", 403: "permission_denied", 429: "resource_exhausted"}

M = TypeVar("M", bound=Message)


class RpcClient:
    """Calls to the services at one address. Safe from several threads."""

    def __init__(self, address: str, token: Token | None = None, *, limit: int = DEFAULT_LIMIT) -> None:
        self._pool = HttpPool(address, token, limit=limit)

    @property
    def address(self) -> str:
        return self._pool.address

    def call(self, path: str, request: Message, reply_type: type[M], timeout: float = 30.0) -> M:
        """Call ``/package.Service/Method``. Raises NotSent, Lost, DeadlineExceeded or Refused."""
        response = self._pool.post(path, (request.SerializeToString(),), content_type=PROTO, timeout=timeout)
        if response.status != 200 or response.content_type != _PROTO:
            raise_refusal(response, self.address + path)
        try:
            return reply_type.FromString(bytes(response.body))
        except DecodeError as error:
            name = reply_type.DESCRIPTOR.name
            raise Lost(f"{self.address}{path}: the reply is no {name}: {error}") from error

    def close(self) -> None:
        """Close the connections; calls under way in other threads fail with Lost. Idempotent."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"RpcClient({self.address!r})"


def raise_refusal(response: Response, label: str) -> NoReturn:
    """Raise what a reply other than the expected one says."""
    code, message = _connect_error(response)
    if code == "deadline_exceeded":
        raise DeadlineExceeded(f"{label}: {message or 'the server gave up at the deadline'}")
    if code:
        raise Refused(code, f"{label}: {message}")
    kind = response.content_type.decode("latin-1") or "no content type"
    start = bytes(response.body[:80]).decode("utf-8", "replace").strip()
    sentence = f"{label}: this is no Iris server: it answered {response.status}, {kind}: {start!r}"
    if response.status >= 500:  # a proxy may answer so for a server that did run the request
        raise Lost(sentence)
    raise Refused(_CODES.get(response.status, "unimplemented"), sentence)


def _connect_error(response: Response) -> tuple[str, str]:
    if response.content_type != b"application/json":
        return "", ""
    try:
        error = json.loads(bytes(response.body))
        return str(error["code"]), str(error.get("message", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", ""
