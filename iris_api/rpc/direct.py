"""DirectProtocol: the usual calls to an RpcApp without ASGI in between, at a quarter of the cost.

Iris's own clients send each request in one form, and the same head each time but for its last two lines.
Everything else goes uvicorn's way, and so through ASGI.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, Final

from iris_api.errors import Refused
from iris_api.rpc.app import Method, RpcApp, answer
from iris_api.rpc.asgi import HTTP_STATUS
from iris_api.rpc.gate import Gate
from iris_api.rpc.protocol import BoundedProtocol

__all__ = ["DirectProtocol"]

_START: Final = b"POST /"
_TAIL: Final = re.compile(rb"\r\nconnect-timeout-ms: (\d{1,9})\r\ncontent-length: (\d{1,9})\r\n\r\n")
_OK: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/proto\r\ncontent-length: %d\r\n\r\n"
_ERROR: Final = b"HTTP/1.1 %d Refused\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
_HEADERS: Final = frozenset(
    {b"host", b"content-type", b"authorization", b"iris-version", b"connect-protocol-version"}
)
_HEADS: Final = 16  # that a connection remembers: it is one client's
_EARLY: Final = 64 * 1024  # bytes that may come while a call is answered

Head = tuple[Method, str]  # and the path


class _Call:
    """A call whose body comes in, or that is being answered: how it may have been cut off."""

    __slots__ = ("body", "deadline", "expired", "gone", "method", "path", "seconds", "size", "task")

    def __init__(self, head: Head, seconds: float, deadline: float, size: int, body: bytes) -> None:
        self.method, self.path = head
        self.seconds: float | None = seconds
        self.deadline = deadline  # of the event loop's clock
        self.size = size
        self.body: bytes | bytearray = body
        self.gone = self.expired = False
        self.task: asyncio.Task[None] | None = None


class DirectProtocol(BoundedProtocol):
    """For a Gate before an RpcApp; before anything else it does nothing. Relies on these parts of uvicorn's
    protocol: app, cycle, pipeline, loop, transport, tasks and the keep-alive timer.

    A connection has one timer for the deadlines of all its calls and the rests between them. It may come up
    too early, and is set anew then: to set and cancel two for each call takes longer than to read it.
    """

    _parsing = False  # in the middle of a request of uvicorn's
    _call: _Call | None = None
    _early = b""  # what came behind the call
    _closing = False
    _timer: asyncio.TimerHandle | None = None
    _idle_until: float | None = None  # None: uvicorn looks after the connection
    _heads: dict[bytes, Head] | None = None  # that the gate has let through

    def data_received(self, data: bytes) -> None:
        call = self._call
        if call is None:
            if not (self._is_between_requests() and self._begin(data)):
                self._idle_until = None
                super().data_received(data)
        elif call.task is None:
            call.body += data
            self._go_on(call)
        else:
            self._early += data
            if len(self._early) > _EARLY:
                self.transport.pause_reading()

    def on_message_begin(self) -> None:
        self._parsing = True
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._parsing = False
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.gone = True
            if call.task is not None:
                call.task.cancel()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super().connection_lost(exc)

    def shutdown(self) -> None:
        if self._call is None:
            super().shutdown()
        else:
            self._closing = True

    def _is_between_requests(self) -> bool:
        idle = self.cycle is None or self.cycle.response_complete
        return idle and not self._parsing and not self.pipeline and not self.transport.get_write_buffer_size()

    def _begin(self, data: bytes) -> bool:
        """True if a call of the usual form begins here that may come in."""
        if not data.startswith(_START):
            return False
        tail = _TAIL.search(data)
        end = data.find(b"\r\n\r\n") + 4
        if tail is None or tail.end() != end:
            return False
        head, size = data[: tail.start()], int(tail[2])
        known = (self._heads or {}).get(head) or self._let_in(head, size)
        if known is None or size > self.app.app.limit:
            return False
        self._unset_keepalive_if_required()
        self.head_came()
        seconds = int(tail[1]) / 1000
        deadline = self.loop.time() + seconds
        call = self._call = _Call(known, seconds, deadline, size, data[end:])
        self._watch(deadline)
        self._go_on(call)
        return True

    def _let_in(self, head: bytes, size: int) -> Head | None:
        """Ask the gate; its answer holds for every request with the same head."""
        gate, lines = self.app, head.split(b"\r\n")
        path = lines[0][len(_START) - 1 : -len(b" HTTP/1.1")].decode("latin-1")
        fields = [line.partition(b": ") for line in lines[1:]]
        headers = {name.lower(): value for name, _, value in fields}
        if not (isinstance(gate, Gate) and isinstance(gate.app, RpcApp)) or len(headers) != len(fields):
            return None
        method = gate.app.method(path) if lines[0].endswith(b" HTTP/1.1") else None
        usual = headers.get(b"content-type") == b"application/proto" and headers.keys() <= _HEADERS
        if method is None or not usual or gate.refusal(headers, path) is not None:
            return None
        if self._heads is None or len(self._heads) >= _HEADS:
            self._heads = {}
        self._heads[head] = method, path
        return method, path

    def _go_on(self, call: _Call) -> None:
        if len(call.body) < call.size:
            if not isinstance(call.body, bytearray):
                call.body = bytearray(call.body)
            return
        if len(call.body) > call.size:
            self._early, call.body = bytes(call.body[call.size :]), call.body[: call.size]
        call.task = self.loop.create_task(self._answer(call))
        self.tasks.add(call.task)
        call.task.add_done_callback(self.tasks.discard)

    async def _answer(self, call: _Call) -> None:
        try:
            reply = await answer(call.method, call.body, call.path, call)
        except Refused as refusal:
            self._end(call, _refusal(refusal))
        else:
            if reply is not None:
                body = reply.SerializeToString()
                self._end(call, _OK % len(body), body)

    def _end(self, call: _Call, *parts: bytes) -> None:
        if self._call is not call or self.transport.is_closing():
            return
        self._call = None
        self.transport.writelines(parts)
        if self._closing:
            self.transport.close()
            return
        self._idle_until = self.loop.time() + self.timeout_keep_alive
        self._watch(self._idle_until)
        if self._early:
            early, self._early = self._early, b""
            self.transport.resume_reading()
            self.data_received(early)

    def _expire(self, call: _Call) -> None:
        call.expired = True
        if call.task is not None:
            call.task.cancel()
        else:  # it has not even come
            self.transport.close()

    def _watch(self, when: float) -> None:
        """See to it that `_look` runs by then."""
        if self._timer is None:
            self._timer = self.loop.call_at(when, self._look)
        elif when < self._timer.when():
            self._timer.cancel()
            self._timer = self.loop.call_at(when, self._look)

    def _look(self) -> None:
        self._timer = None
        call = self._call
        due = self._idle_until if call is None else call.deadline
        if due is None:
            return
        if self.loop.time() < due:
            self._watch(due)
        elif call is not None:
            self._expire(call)
        else:
            self.timeout_keep_alive_handler()


def _refusal(refusal: Refused) -> bytes:
    body: dict[str, Any] = {"code": refusal.code, "message": refusal.message}
    encoded = json.dumps(body).encode()
    return _ERROR % (HTTP_STATUS.get(refusal.code, 500), len(encoded), encoded)
