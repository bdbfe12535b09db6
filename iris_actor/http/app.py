"""The ASGI application of a listener: Call and CallMany in binary, the Connect stack for all else."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any, Final

from iris_actor.http.values import reply_message
from iris_actor.http.wire import (
    CALL,
    CALL_MANY,
    END_OF_STREAM,
    STREAM,
    IncomingCall,
    decode_call,
    decode_calls,
    encode_many,
    encode_reply,
    envelope,
    split_envelopes,
)
from iris_actor.http.workers import Job, Workers
from iris_api.errors import Refused
from iris_api.rpc import actor_pb2 as pb
from iris_api.rpc.app import timeout_of
from iris_api.rpc.asgi import ASGIApp, Receive, Scope, Send, read_body, send_refusal, send_reply
from iris_api.rpc.watch import DisconnectWatch
from iris_api.transport import Handler

__all__ = ["ActorApp"]

_PROTO: Final = b"application/proto"
_log = logging.getLogger("iris.actor")


class ActorApp:
    """Runs calls through `handler` on the threads of `workers`."""

    def __init__(self, handler: Handler, workers: Workers, limit: int) -> None:
        self._handler = handler
        self.workers = workers
        self._limit = limit
        self._fallback: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, kind = scope["path"], _binary_kind(scope)
        if path == CALL and kind == _PROTO:
            await self._call(scope, receive, send)
        elif path == CALL_MANY and kind == STREAM.encode():
            await self._call_many(scope, receive, send)
        elif path == "/health":
            await send_reply(send, 200, b"text/plain", (b"ok",))
        elif path in (CALL, CALL_MANY):
            await self._connect_app()(scope, receive, send)
        else:
            await send_refusal(send, "not_found", f"there is nothing at {path}: this is an Iris actor server")

    def answer(self, body: bytes, timeout: float) -> bytes:
        """The reply to an encoded CallRequest, on a handler thread. Raises Refused."""
        call = decode_call(body, timeout)
        return self.workers.in_fresh_context(lambda: encode_for(self._handler(call.request), call))  # type: ignore[no-any-return]

    async def run(self, call: IncomingCall, watch: DisconnectWatch | None, encode: Callable[..., Any]) -> Any:
        """What `encode` makes of the reply, on a handler thread. Raises Refused."""
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        job = Job(lambda: encode(self._handler(call.request), call), _settle(done))
        try:
            self.workers.submit(job)
            outcome = await done
        except asyncio.CancelledError as error:
            not_run = job.drop()
            _log.debug("the result of %s.%s is dropped", call.request.actor, call.request.method)
            if watch is None:
                raise  # the Connect stack, which has its own deadline, knows why
            if watch.gone:
                return None
            raise _cut_off(watch, not_run) from error
        if isinstance(outcome, BaseException):
            raise outcome if isinstance(outcome, Refused) else _internal(outcome)
        return outcome

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await read_body(receive, self._limit)
            if body is None:
                return
            timeout = timeout_of(scope)
            call = decode_call(body, timeout)
            watch = DisconnectWatch(receive, timeout)
            try:
                reply = await self.run(call, watch, encode_for)
            finally:
                watch.end()
        except Refused as refusal:
            await send_refusal(send, refusal.code, refusal.message)
            return
        if reply is not None:
            await send_reply(send, 200, _PROTO, (reply,))

    async def _call_many(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await read_body(receive, self._limit)
            if body is None:
                return
            timeout = timeout_of(scope)
            calls = decode_calls(_message_in(body), timeout)
        except Refused as refusal:
            await send_refusal(send, refusal.code, refusal.message)
            return
        batch = _Batch(len(calls))
        jobs = [self._start(call, batch) for call in calls]
        watch = DisconnectWatch(receive, timeout)
        try:
            await batch.stream(send)
        except asyncio.CancelledError:
            not_run = sum(job.drop() for job in jobs)
            _log.debug("the results of %d calls are dropped, %d had not begun", batch.left, not_run)
            if not watch.gone:
                await batch.break_off(send, _cut_off(watch, not_run=False))
        finally:
            watch.end()

    def _start(self, call: IncomingCall, batch: _Batch) -> Job:
        job = Job(
            lambda: encode_for(self._handler(call.request), call),
            lambda outcome: batch.add(call.id, outcome),
        )
        try:
            self.workers.submit(job)
        except Refused as refusal:
            batch.add(call.id, refusal)
        return job

    def _connect_app(self) -> ASGIApp:
        if self._fallback is None:
            from iris_actor.http.fallback import connect_app

            self._fallback = connect_app(self, self._limit)
        return self._fallback


class _Batch:
    """The replies of one CallMany, sent as they come."""

    def __init__(self, left: int) -> None:
        self.left = left
        self._ready: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None

    def add(self, call_id: int, outcome: Any) -> None:
        self.left -= 1
        self._ready.append(outcome if isinstance(outcome, bytes) else _refused(call_id, outcome))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def stream(self, send: Send) -> None:
        headers = [(b"content-type", STREAM.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        while self.left or self._ready:
            if not self._ready:
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
            body = encode_many(self._ready)
            self._ready.clear()
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": envelope(b"{}", END_OF_STREAM), "more_body": False})

    async def break_off(self, send: Send, why: Refused) -> None:
        error = json.dumps({"error": {"code": why.code, "message": why.message}}).encode()
        await send({"type": "http.response.body", "body": envelope(error, END_OF_STREAM), "more_body": False})


def encode_for(reply: Any, call: IncomingCall) -> bytes:
    """The reply in the form that the call came in."""
    if call.as_json:
        return reply_message(reply, call.id, as_json=True).SerializeToString()
    return encode_reply(reply, call.id)


def _message_in(body: bytes | bytearray) -> memoryview:
    found = list(split_envelopes(bytearray(body)))
    if len(found) != 1 or found[0][0] != 0:
        raise Refused("invalid_argument", "the request is no single uncompressed message")
    return found[0][1]


def _refused(call_id: int, outcome: BaseException) -> bytes:
    refusal = outcome if isinstance(outcome, Refused) else _internal(outcome)
    message = pb.CallReply(id=call_id, refused=refusal.code, refused_message=refusal.message)
    return message.SerializeToString()


def _internal(error: BaseException) -> Refused:
    _log.error("a handler failed", exc_info=error)
    return Refused("internal", f"the server failed: {type(error).__name__}: {error}")


def _cut_off(watch: DisconnectWatch, not_run: bool) -> Refused:
    """Why the reply of a call will not come."""
    if watch.expired:
        return Refused("deadline_exceeded", f"the call did not end within {watch.seconds:.2f} s")
    if not_run:
        return Refused("unavailable", "this server is stopping")
    return Refused("unknown", "this server stopped during the call")


def _settle(future: asyncio.Future[Any]) -> Callable[[Any], None]:
    def settle(outcome: Any) -> None:
        if not future.done():
            future.set_result(outcome)

    return settle


def _binary_kind(scope: Scope) -> bytes | None:
    """The content type of an uncompressed POST."""
    kind = None
    for name, value in scope["headers"]:
        if name == b"content-type":
            kind = value
        elif name in (b"content-encoding", b"connect-content-encoding") and value != b"identity":
            return None
    return kind if scope["method"] == "POST" else None
