"""HttpChannel: synchronous calls in the caller's own thread, submitted ones through one sender."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Final

from google.protobuf.message import DecodeError

from iris_actor.http.outcome import error_of
from iris_actor.http.sender import Pending, Sender
from iris_actor.http.wire import CALL, decode_reply, encode_call
from iris_api.credentials import Token
from iris_api.errors import Lost
from iris_api.rpc.client import PROTO
from iris_api.rpc.http import HttpPool
from iris_api.transport import Channel, Deliver, Reply, Request

__all__ = ["HttpChannel"]

_IDS: Final = 0x3FFE  # ids come again after so many: far more than one request has, and two bytes hold one
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
        future: Future[Reply] = Future()
        self._post(request, partial(_resolve, future), future.set_running_or_notify_cancel)
        return future

    def post(self, request: Request, deliver: Deliver) -> None:
        self._post(request, deliver, None)

    def _post(self, request: Request, deliver: Deliver, wanted: Callable[[], bool] | None) -> None:
        call_id = next(_ids) % _IDS + 1
        encoded = b"".join(encode_call(request, call_id))  # a snapshot: the caller may go on to change arrays
        what = f"{self.address}: {request.actor}.{request.method}"
        self._sender.submit(Pending(call_id, encoded, what, request.timeout, deliver, wanted))

    def close(self) -> None:
        self._sender.close()
        self._pool.close()

    def __repr__(self) -> str:
        return f"HttpChannel({self.address!r})"


def _resolve(future: Future[Reply], reply: Reply | None, error: BaseException | None) -> None:
    if error is not None:
        future.set_exception(error)
    else:
        assert reply is not None
        future.set_result(reply)
