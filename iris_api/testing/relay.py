"""A TCP relay that delays, stops, resets and half-opens what runs through it: where the kernel cannot."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from iris_api.threads import ThreadContainer

__all__ = ["Relay", "relay_to"]

_CHUNK = 65536


class Relay:
    """Settings may change at any time, from any thread, and hold for what is under way as well.

    `delay`: seconds each way. `silent`: nothing is passed on, in either direction, and nothing is closed;
    `deaf` passes on only what the server sends, `mute` only what the client sends.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self.delay = 0.0
        self.silent = self.deaf = self.mute = False
        self.port = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event | None = None
        self._ready = threading.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self.connections = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def reset_all(self) -> None:
        """Every connection ends by a reset."""
        self._soon(self._reset)

    def run(self, _stop: threading.Event) -> None:
        """Serve until `close`."""
        asyncio.run(self._serve())

    def close(self) -> None:
        self._soon(lambda: self._ended.set() if self._ended is not None else None)

    def wait_ready(self) -> None:
        assert self._ready.wait(10.0)

    def _soon(self, work: object) -> None:
        assert self._loop is not None
        assert callable(work)
        with contextlib.suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(work)

    async def _serve(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        async with server:
            await self._ended.wait()
            self._reset()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            there, back = await asyncio.open_connection(*self._target)
        except OSError:
            self._abort(writer)
            return
        self._writers.add(back)
        try:
            await asyncio.gather(
                self._pass(reader, back, to_server=True), self._pass(there, writer, to_server=False)
            )
        finally:
            for one in (writer, back):
                self._writers.discard(one)
                one.close()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, to_server: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                if self.delay:
                    await asyncio.sleep(self.delay)
                while self._withholds(to_server=to_server):  # noqa: ASYNC110  set by another thread
                    await asyncio.sleep(0.02)
                writer.write(data)
                await writer.drain()
            writer.write_eof()

    def _withholds(self, *, to_server: bool) -> bool:
        return self.silent or (self.deaf if to_server else self.mute)

    def _reset(self) -> None:
        for writer in list(self._writers):
            self._abort(writer)

    def _abort(self, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        with contextlib.suppress(OSError):  # closed already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        self._writers.discard(writer)


@contextmanager
def relay_to(host: str, port: int, threads: ThreadContainer) -> Iterator[Relay]:
    made = Relay((host, port))
    thread = threads.spawn(made.run, "relay")
    made.wait_ready()
    try:
        yield made
    finally:
        made.close()
        thread.join(10.0)
