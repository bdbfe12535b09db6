"""Serving on the simulated network: what stands in for uvicorn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from iris_api.credentials import Token
from iris_api.rpc.asgi import ASGIApp
from iris_api.rpc.connection import Response
from iris_api.rpc.gate import Gate
from iris_api.testing.sim import Process, SimLoop
from iris_api.testing.sim.sync import Event
from iris_api.threads import ThreadContainer

if TYPE_CHECKING:
    from iris.sim.calls import Call
    from iris.sim.network import Network

__all__ = ["SimServer", "serve_on"]


class SimServer:
    """As iris_api.rpc.serving.Server: an ASGI application in a process, on its event loop."""

    def __init__(self, network: Network, process: Process, app: ASGIApp, port: int) -> None:
        self.network, self.process, self.app, self.port = network, process, app, port
        self.loop = SimLoop(network.kernel, process)
        self.address = f"http://{process.host.name}:{port}"
        self._open: dict[Call, None] = {}
        network.listeners[process.host.name, port] = self
        process.on_death.append(self._died)

    def is_alive(self) -> bool:
        return self.network.listeners.get((self.process.host.name, self.port)) is self

    def stop(self, timeout: float = 5.0) -> bool:
        """Serve nobody any more; who still waits is cut off."""
        if self.is_alive():
            del self.network.listeners[self.process.host.name, self.port]
            self._cut_off()
        return True

    def accept(self, call: Call) -> None:
        """A request has arrived."""
        if not self.is_alive():
            call.reset()
            return
        self._open[call] = None
        self.loop.create_task(self._answer(call))

    def ask_health(self, status: list[int], asked: Event) -> None:
        """On the loop: note the status of ``GET /health``, then set `asked`."""
        self.loop.create_task(self._health(status, asked))

    async def _health(self, status: list[int], asked: Event) -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                status.append(message["status"])

        scope = {"type": "http", "method": "GET", "path": "/health", "headers": [(b"host", b"localhost")]}
        await self.app(scope, receive, send)
        asked.set()

    async def _answer(self, call: Call) -> None:
        gone = asyncio.Event()
        call.gone = gone.set
        body: list[bytes] = [call.body]
        response = Response()
        chunks: list[bytes] = []

        async def receive() -> dict[str, Any]:
            if body:
                return {"type": "http.request", "body": body.pop(), "more_body": False}
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                response.status, response.headers = message["status"], dict(message["headers"])
            else:
                chunks.append(bytes(message.get("body", b"")))

        scope = {"type": "http", "method": "POST", "path": call.path, "headers": call.headers}
        try:
            await self.app(scope, receive, send)
        finally:
            self._open.pop(call, None)
        response.body = b"".join(chunks)
        if response.status:
            call.reply(response)

    def _died(self) -> None:
        if self.is_alive():
            del self.network.listeners[self.process.host.name, self.port]
        if self.process.host.up:
            self._cut_off()

    def _cut_off(self) -> None:
        for call in self._open:
            call.reset()
        self._open.clear()


def serve_on(network: Network) -> Callable[..., SimServer]:
    """The function to put in the place of iris_api.rpc.serving.serve."""

    def serve(
        app: ASGIApp,
        *,
        host: str,
        port: int,
        threads: ThreadContainer,
        name: str,
        token: Token | None,
        open_paths: Collection[str] = ("/health",),
        **_further: object,
    ) -> SimServer:
        process = network.kernel.current
        assert process is not None
        gate = Gate(app, token=token, hosts=(host,), open_paths=open_paths)
        return SimServer(network, process, gate, port)

    return serve
