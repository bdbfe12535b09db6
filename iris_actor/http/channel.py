"""HttpChannel: synchronous calls in the caller's own thread, submitted ones through one sender."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import Future
from typing import Final

from google.protobuf.message import DecodeError

from iris_actor.http.outcome import error_of
from iris_actor.http.sender import Pending, Sender
from iris_actor.http.wire import CALL, decode_reply, encode_call
from iris_api.credentials import Token
from iris_api.errors import Lost
from iris_api.rpc.client import PROTO
from iris_api.rpc.http import HttpPool
from iris_api.transport import Channel, Reply, Request

__all__ = ["HttpChannel"]

_ids: Final = itertools.count(1)


class HttpChannel(Channel):
    """Calls to one actor server."""

    def __init__(self, address: str, token: Token | None, *, limit: int) -> None:
        self.address = address
        self._pool = HttpPool(address, token, limit=limit)
        self._sender = Sender(self._pool)

    def call(self, request: Request) -> Reply:
        parts = encode_call(request)
        response = self._pool.post(CALL, parts, content_type=PROTO, timeout=request.timeout)
        if response.status == 200 and response.content_type == b"application/proto":
            try:
                return decode_reply(response.body)[1]
            except (ValueError, DecodeError) as error:
                raise Lost(f"{self.address}: the reply is no CallReply: {error}") from error
        raise error_of(response, f"{self.address}: {request.actor}.{request.method}")

    def submit(self, request: Request) -> Future[Reply]:
        call_id = next(_ids)
        encoded = b"".join(encode_call(request, call_id))  # a snapshot: the caller may go on to change arrays
        what = f"{self.address}: {request.actor}.{request.method}"
        pending = Pending(call_id, encoded, what, time.monotonic() + request.timeout)
        self._sender.submit(pending)
        return pending.future

    def close(self) -> None:
        self._sender.close()
        self._pool.close()

    def __repr__(self) -> str:
        return f"HttpChannel({self.address!r})"
