"""One keep-alive connection: a blocking socket that knows what has happened to it."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Sequence
from typing import Final

import httptools

from iris_api.errors import DeadlineExceeded, Lost, NotSent, Refused

__all__ = ["Body", "Connection", "Response"]

Body = bytes | bytearray | memoryview

_CHUNK: Final = 65536
_MAX_PARTS: Final = 512  # below IOV_MAX
_GONE: Final = select.POLLIN | getattr(select, "POLLRDHUP", 0)


class Response:
    """A reply as httptools parses it: `headers` in lower case, `body` once it is complete."""

    __slots__ = ("body", "chunks", "complete", "headers", "headers_complete", "status")

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.headers_complete = False
        self.chunks: list[Body] = []
        self.complete = False
        self.body: Body = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self.headers_complete = True

    def on_body(self, data: bytes) -> None:
        self.chunks.append(data)

    def on_message_complete(self) -> None:
        self.complete = True

    @property
    def keeps_alive(self) -> bool:
        """Whether another request may follow on the connection, once the reply is complete."""
        sized = b"content-length" in self.headers or b"transfer-encoding" in self.headers
        return sized and self.headers.get(b"connection", b"").lower() != b"close"

    @property
    def content_type(self) -> bytes:
        return self.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()


class Connection:
    """Sends one request at a time and reads its reply; `reusable` then tells whether another may follow."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.reusable = False
        self.idle_since = 0.0
        self.response = Response()
        self._poll = select.poll()
        self._poll.register(sock, _GONE)

    @classmethod
    def open(cls, host: str, port: int, deadline: float, label: str) -> Connection:
        """Connect before `deadline`. Raises NotSent."""
        started = time.monotonic()
        try:
            sock = socket.create_connection((host, port), max(deadline - started, 0.001))
        except OSError as error:
            waited = time.monotonic() - started
            raise NotSent(f"{label}: cannot connect (tried for {waited:.2f} s): {_words(error)}") from error
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return cls(sock)

    def is_stale(self) -> bool:
        """True once the server has closed it: nothing is readable on a sound idle connection."""
        return bool(self._poll.poll(0))

    def send(self, parts: Sequence[Body], deadline: float, label: str) -> None:
        """Hand the request to the kernel. Raises NotSent before the first byte has left, Lost afterwards."""
        self.reusable = False
        self.response = Response()
        self._parser = httptools.HttpResponseParser(self.response)
        self._deadline, self._label, self._started = deadline, label, time.monotonic()
        self.sock.settimeout(max(deadline - self._started, 0.001))
        sent = self._send_some(parts, nothing_sent=True)
        total = sum(len(part) for part in parts)
        if sent < total:
            self._send_rest(parts, sent)

    def _send_some(self, parts: Sequence[Body], *, nothing_sent: bool) -> int:
        try:
            return self.sock.sendmsg(parts[:_MAX_PARTS])
        except OSError as error:
            if nothing_sent:
                raise NotSent(f"{self._label}: the request could not be sent: {_words(error)}") from error
            raise self._failure(error, "while the request was being sent") from error

    def _send_rest(self, parts: Sequence[Body], sent: int) -> None:
        left = [memoryview(part) for part in parts]
        while True:
            while left and sent >= len(left[0]):
                sent -= len(left.pop(0))
            if not left:
                return
            left[0] = left[0][sent:]
            self._arm()
            sent = self._send_some(left, nothing_sent=False)

    def read(self, limit: int) -> Response:
        """The whole reply. Raises Lost, DeadlineExceeded, or Refused when it is not HTTP."""
        response = self.read_head()
        length = int(response.headers.get(b"content-length", b"-1"))
        if length > limit:
            raise Lost(f"{self._label}: the reply of {length} bytes is over the limit of {limit}")
        if length > 0 and not response.complete:
            response.body = self._read_sized(response, length)
        else:
            response.body = self._read_parsed(response, limit)
        self.reusable = response.keeps_alive
        return response

    def read_head(self) -> Response:
        """The reply as soon as its headers are there; `body` is not set yet."""
        response = self.response
        self.receive()
        while not response.headers_complete:
            self._arm()
            self.receive()
        return response

    def _read_sized(self, response: Response, length: int) -> Body:
        """Receive straight into one buffer of the right size: large bodies are not copied."""
        whole = memoryview(bytearray(length))
        filled = 0
        for chunk in response.chunks:
            whole[filled : filled + len(chunk)] = chunk
            filled += len(chunk)
        response.chunks.clear()
        while filled < length:
            self._arm()
            try:
                count = self.sock.recv_into(whole[filled:])
            except OSError as error:
                raise self._failure(error, f"after {filled} of {length} bytes of the reply") from error
            if not count:
                raise Lost(f"{self._label}: connection closed after {filled} of {length} bytes of the reply")
            filled += count
        return whole

    def _read_parsed(self, response: Response, limit: int) -> Body:
        while not response.complete:
            if sum(len(chunk) for chunk in response.chunks) > limit:
                raise Lost(f"{self._label}: the reply is over the limit of {limit} bytes")
            self._arm()
            self.receive()
        return response.chunks[0] if len(response.chunks) == 1 else b"".join(response.chunks)

    def receive(self) -> None:
        """Receive once and parse; what has come is in `response`. Does not block on a readable socket.
        Raises as `read` does."""
        try:
            data = self.sock.recv(_CHUNK)
        except OSError as error:
            raise self._failure(error, self._seen()) from error
        if not data:
            raise Lost(f"{self._label}: connection closed, {self._seen()}")
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            _raise_what_came_between(error)
            sentence = f"{self._label}: this is no Iris server: {data[:60]!r} is not HTTP"
            raise Refused("unimplemented", sentence) from error
        if self.response.headers_complete and not self.response.status:
            self.response.status = self._parser.get_status_code()

    def _arm(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._expired(self._seen())
        self.sock.settimeout(left)

    def _failure(self, error: OSError, seen: str) -> Lost:
        if isinstance(error, TimeoutError):
            return self._expired(seen)
        return Lost(f"{self._label}: {_words(error)}, {seen}")

    def _expired(self, seen: str) -> DeadlineExceeded:
        waited = time.monotonic() - self._started
        return DeadlineExceeded(f"{self._label}: no reply within {waited:.2f} s, {seen}")

    def _seen(self) -> str:
        if not self.response.headers_complete:
            return "nothing received after the request was sent"
        return f"in the middle of a reply with status {self.response.status}"

    def abort(self) -> None:
        """Wake the thread that waits on it, from another one."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # closed or never connected: nobody waits

    def close(self) -> None:
        self.sock.close()


def _words(error: OSError) -> str:
    return "timed out" if isinstance(error, TimeoutError) else (error.strerror or str(error))


def _raise_what_came_between(error: httptools.HttpParserError) -> None:
    """An interrupt of the thread, such as Ctrl+C, may hit a callback of the parser, which wraps it."""
    cause = error.__context__
    if cause is not None and not isinstance(cause, Exception):
        raise cause
