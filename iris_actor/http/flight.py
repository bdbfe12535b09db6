"""One CallMany on its way: which calls it holds, and their replies as they come."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from typing import Final

from google.protobuf.message import DecodeError

from iris_actor.http.outcome import as_error, end_error, error_of
from iris_actor.http.wire import (
    CALL_MANY,
    END_OF_STREAM,
    STREAM,
    decode_replies,
    encode_many,
    split_envelopes,
)
from iris_api.errors import DeadlineExceeded, Lost, TransportError
from iris_api.rpc import actor_pb2 as pb
from iris_api.rpc.connection import Connection
from iris_api.rpc.http import HttpPool
from iris_api.transport import Deliver, Reply

__all__ = ["Flight", "Pending"]

_STREAM: Final = STREAM.encode()


class Pending:
    """A call that waits for its reply; `data` is its encoded CallRequest. `deliver` is called once.
    `wanted` is asked before it is sent: False for a call that was cancelled."""

    __slots__ = ("data", "deadline", "deliver", "id", "queued", "wanted", "what")

    def __init__(
        self,
        call_id: int,
        data: bytes,
        what: str,
        timeout: float,
        deliver: Deliver,
        wanted: Callable[[], bool] | None,
    ) -> None:
        self.id = call_id
        self.data = data
        self.what = what
        self.queued = time.monotonic()
        self.deadline = self.queued + timeout
        self.deliver = deliver
        self.wanted = wanted

    def fail(self, error: BaseException) -> None:
        self.deliver(None, error)

    def expire(self, now: float, sent: bool) -> None:
        waited = now - self.queued
        where = "it was sent, and nothing came back" if sent else "it was still queued here"
        self.fail(DeadlineExceeded(f"{self.what}: no reply within {waited:.2f} s, {where}"))


class Flight:
    """A request with `calls`; `done` once its reply has ended or its connection has."""

    def __init__(self, pool: HttpPool, calls: Sequence[Pending]) -> None:
        self.calls = {call.id: call for call in calls}
        self.done = False
        self._pool = pool
        self._data = bytearray()
        seconds = max(call.deadline for call in calls) - time.monotonic()
        body = encode_many([call.data for call in calls])
        try:
            self.connection: Connection = pool.begin(
                CALL_MANY, (body,), content_type=STREAM, timeout=max(seconds, 0.001)
            )
        except TransportError as error:
            self.fail(error)
            raise

    def receive(self) -> None:
        """Take what has come; the connection is readable."""
        response = self.connection.response
        try:
            self.connection.receive()
            if response.headers_complete and response.status == 200 and response.content_type == _STREAM:
                self._take_replies()
            elif response.complete:
                response.body = b"".join(response.chunks)
                self.fail(error_of(response, self._pool.address))
            if response.complete:
                self.connection.reusable = response.keeps_alive
                self.fail(Lost(f"{self._pool.address}: the server sent no reply for the call"))
        except TransportError as error:
            self.fail(error)
        except (ValueError, DecodeError) as error:
            self.fail(Lost(f"{self._pool.address}: the reply cannot be read: {error}"))
        if self.done:
            self._pool.end(self.connection)

    def fail(self, error: TransportError) -> None:
        """The calls that have no reply get `error`."""
        calls, self.calls = self.calls, {}
        self.done = True
        for call in calls.values():
            call.fail(copy.copy(error))  # each raiser adds its own traceback

    def abandon(self, error: TransportError) -> None:
        """Give up the connection: the server notices, and drops what it has not run."""
        self.fail(error)
        self._pool.end(self.connection)

    def _take_replies(self) -> None:
        response = self.connection.response
        for chunk in response.chunks:
            self._data += chunk
        response.chunks.clear()
        for flags, message in split_envelopes(self._data):
            if flags & END_OF_STREAM:
                if self.calls:
                    self.fail(end_error(message, self._pool.address))
            else:
                for small, reply in decode_replies(message):
                    self._settle(small, reply)

    def _settle(self, small: pb.CallReply, reply: Reply) -> None:
        call = self.calls.pop(small.id, None)
        if call is None:
            return  # its deadline has passed
        if small.refused:
            call.fail(as_error(small.refused, f"{call.what}: {small.refused_message}"))
        else:
            call.deliver(reply, None)
