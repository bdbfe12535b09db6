"""LingeringProtocol: small calls without the event loop in between.

Handing a call to a thread and its reply back to the loop costs more than all the rest of a small call.
So a thread that got a call reads the next one from the same socket itself, if it comes within a
millisecond, as it does from callers that wait for each reply; and it writes the replies itself.
Everything but a complete, small, uncompressed Call goes uvicorn's way, and so through ASGI.
"""

from __future__ import annotations

import json
import logging
import os
import re
import select
import socket
import time
from typing import Any, Final

from iris_actor.http.app import ActorApp
from iris_actor.http.wire import CALL
from iris_actor.http.workers import Job
from iris_api.errors import Refused
from iris_api.rpc.asgi import HTTP_STATUS
from iris_api.rpc.gate import Gate
from iris_api.rpc.protocol import BoundedProtocol

__all__ = ["LingeringProtocol"]

_START: Final = f"POST {CALL} HTTP/1.1\r\n".encode()
_TAIL: Final = re.compile(rb"\r\nconnect-timeout-ms: (\d{1,9})\r\ncontent-length: (\d{1,9})\r\n\r\n")
_OK: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/proto\r\ncontent-length: %d\r\n\r\n%b"
_ERROR: Final = b"HTTP/1.1 %d Refused\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
_HEADERS: Final = frozenset(
    {b"host", b"content-type", b"authorization", b"iris-version", b"connect-protocol-version"}
)
_LINGER: Final = 1  # milliseconds
_LONG: Final = 0.05  # seconds in a queue after which it is worth looking whether the caller is still there
_CHUNK: Final = 65536
_log = logging.getLogger("iris.actor")

Call = tuple[bytes, float]  # an encoded CallRequest, seconds to its deadline


class LingeringProtocol(BoundedProtocol):
    """Of a server whose application is a Gate before an ActorApp. Relies on these parts of uvicorn's
    protocol: app, cycle, pipeline, loop, transport and the keep-alive timer."""

    _passed = b""  # a request head, up to its last two lines, that the gate has let through
    _parsing = False  # in the middle of a request of uvicorn's
    _lent: socket.socket | None = None  # while a thread has the connection
    _job: Job | None = None  # of that thread
    _returned = False  # the thread is through with it
    _cut = False  # the connection is gone, and so the loop may be

    def data_received(self, data: bytes) -> None:
        call = self._match(data) if self._is_between_requests() else None
        if call is None or not self._lend(call):
            super().data_received(data)
        else:
            self.head_came()

    def on_message_begin(self) -> None:
        self._parsing = True
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._parsing = False
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        lent, self._cut = self._lent, True
        if lent is not None:  # a thread still holds it: the caller shall see the end nevertheless
            try:
                lent.shutdown(socket.SHUT_RDWR)
            except OSError:
                _log.debug("the caller had closed the connection before")
            if self._returned or (self._job is not None and self._job.drop()):
                lent.close()  # else the thread does it
        super().connection_lost(exc)

    def _is_between_requests(self) -> bool:
        idle = self.cycle is None or self.cycle.response_complete
        return idle and not self._parsing and not self.pipeline and not self.transport.get_write_buffer_size()

    def _match(self, data: bytes) -> Call | None:
        """The call in `data`, if that is exactly one request of the usual form that may come in."""
        if not data.startswith(_START):
            return None
        end = data.find(b"\r\n\r\n") + 4
        tail = _TAIL.search(data, 0, end)
        if tail is None or tail.end() != end or len(data) - end != int(tail[2]):
            return None
        head = data[: tail.start()]
        if head != self._passed and not self._may_pass(head):
            return None
        return data[end:], int(tail[1]) / 1000

    def _may_pass(self, head: bytes) -> bool:
        """Ask the gate; its answer holds for every request with the same head."""
        lines = [line.partition(b": ") for line in head.split(b"\r\n")[1:]]
        headers = {name.lower(): value for name, _, value in lines}
        gate = self.app
        if not isinstance(gate, Gate) or not isinstance(gate.app, ActorApp) or len(headers) != len(lines):
            return False
        usual = headers.get(b"content-type") == b"application/proto" and headers.keys() <= _HEADERS
        if not usual or gate.refusal(headers, CALL) is not None:
            return False
        self._passed = head
        return True

    def _lend(self, call: Call) -> bool:
        """Give the connection to a thread, with its first call; False when there are too many calls."""
        app: ActorApp = self.app.app
        queued = time.monotonic()
        job = self._job = Job(lambda: self._serve(app, call, queued), self._take_back)
        self._returned = False
        fd = os.dup(self.transport.get_extra_info("socket").fileno())
        self._lent = socket.socket(fileno=fd)
        self._lent.setblocking(False)
        try:
            app.workers.submit(job)
        except Refused:
            self._lent.close()
            self._lent = None
            return False
        self._unset_keepalive_if_required()
        self.transport.pause_reading()
        return True

    def _take_back(self, outcome: Any) -> None:
        """On the loop: `outcome` is what was read and not understood, or an exception."""
        lent, self._lent = self._lent, None
        if lent is not None:
            lent.close()
        if self.transport.is_closing():
            return
        if isinstance(outcome, BaseException):
            _log.error("a connection failed", exc_info=outcome)
            self.transport.abort()
            return
        self.transport.resume_reading()
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )
        if outcome:
            self.data_received(outcome)

    def _serve(self, app: ActorApp, call: Call, queued: float) -> bytes:
        """On a thread: answer the call and those that follow at once; returns what the loop shall read."""
        lent = self._lent
        assert lent is not None
        try:
            return self._answer_all(app, lent, call, queued)
        finally:
            self._returned = True
            if self._cut:
                lent.close()

    def _answer_all(self, app: ActorApp, lent: socket.socket, call: Call, queued: float) -> bytes:
        if time.monotonic() - queued > _LONG and _is_gone(lent):  # the loop does not read meanwhile
            _log.debug("a caller left while its call was queued; it does not run")
            return b""
        poll = select.poll()
        poll.register(lent, select.POLLIN)
        found: Call | None = call
        data = b""
        while found is not None:
            if not self._write(lent, _answer(app, found)) or app.workers.wants_threads():
                return b""
            if not poll.poll(_LINGER):
                return b""
            try:
                data = lent.recv(_CHUNK)
            except OSError:
                return b""  # the loop will see it too
            found = self._match(data)
        return data

    def _write(self, lent: socket.socket, data: bytes) -> bool:
        """False when the connection is the loop's again: it is gone, or its buffer is full."""
        try:
            sent = lent.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            _log.debug("a reply is dropped, its caller has left: %s", error)
            return False
        if sent < len(data):
            self.loop.call_soon_threadsafe(self.transport.write, data[sent:])
        return sent == len(data)


def _answer(app: ActorApp, call: Call) -> bytes:
    body, timeout = call
    try:
        reply = app.answer(body, timeout)
        return _OK % (len(reply), reply)
    except Refused as refusal:
        status, error = HTTP_STATUS.get(refusal.code, 500), {"code": refusal.code, "message": refusal.message}
    except Exception as problem:
        _log.exception("a handler failed")
        text = f"the server failed: {type(problem).__name__}: {problem}"
        status, error = 500, {"code": "internal", "message": text}
    encoded = json.dumps(error).encode()
    return _ERROR % (status, len(encoded), encoded)


def _is_gone(lent: socket.socket) -> bool:
    try:
        return not lent.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
