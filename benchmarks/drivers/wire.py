"""One keep-alive HTTP/1.1 connection, as light as asyncio allows: Connect unary calls, one at a time."""

from __future__ import annotations

import asyncio
from typing import Final

__all__ = ["Wire", "WireError"]

_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length: "


class WireError(Exception):
    """No reply, or another status than 200. `code` is Connect's where there is one."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class Wire(asyncio.Protocol):
    """Connects at the first call, and again after a failure. For one caller at a time."""

    def __init__(self, host: str, port: int, token: str, version: str) -> None:
        self._host, self._port = host, port
        self._head = (
            f"host: {host}:{port}\r\ncontent-type: application/proto\r\n"
            f"authorization: Bearer {token}\r\niris-version: {version}\r\nconnect-protocol-version: 1\r\n"
        ).encode()
        self._transport: asyncio.Transport | None = None
        self._reply: asyncio.Future[bytes] | None = None
        self._buffer = b""
        self._paths: dict[str, bytes] = {}

    async def call(self, path: str, body: bytes, timeout: float = 30.0) -> bytes:
        """The reply's body. Raises WireError. `timeout`, in seconds, is told to the server."""
        transport = self._transport or await self._connect()
        head = self._paths.get(path)
        if head is None:
            head = self._paths[path] = f"POST {path} HTTP/1.1\r\n".encode() + self._head
        rest = b"connect-timeout-ms: %d\r\ncontent-length: %d\r\n\r\n" % (int(timeout * 1000), len(body))
        self._reply = asyncio.get_running_loop().create_future()
        transport.writelines((head, rest, body))
        return await self._reply

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def _connect(self) -> asyncio.Transport:
        try:
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_connection(lambda: self, self._host, self._port)
        except OSError as error:
            raise WireError(f"not connected: {error}") from error
        self._transport, self._buffer = transport, b""
        return transport

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        end = self._buffer.find(_END)
        if end < 0:
            return
        start = self._buffer.find(_LENGTH, 0, end) + len(_LENGTH)
        size = int(self._buffer[start : self._buffer.find(b"\r", start)])
        if len(self._buffer) < end + 4 + size:
            return
        body, status = self._buffer[end + 4 : end + 4 + size], self._buffer[9:12]
        self._buffer = b""
        self._settle(body if status == b"200" else _refused(status, body))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._settle(WireError(f"connection lost: {exc}"))

    def _settle(self, result: bytes | WireError) -> None:
        reply, self._reply = self._reply, None
        if reply is None or reply.done():
            return
        if isinstance(result, bytes):
            reply.set_result(result)
        else:
            reply.set_exception(result)


def _refused(status: bytes, body: bytes) -> WireError:
    text = body.decode("utf-8", "replace")
    code = text.partition('"code": "')[2].partition('"')[0]
    return WireError(f"{status.decode()}: {text[:300]}", code)
