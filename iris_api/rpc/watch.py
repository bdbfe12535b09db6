"""DisconnectWatch: cancels a handler that outlives its client."""

from __future__ import annotations

import asyncio
from typing import Final

from iris_api.rpc.asgi import Receive

__all__ = ["DisconnectWatch"]

_PATIENCE: Final = 0.5  # seconds: calls that end sooner, nearly all, cost a timer and no task


class DisconnectWatch:
    """Made by the task that runs the handler, once the request's body is read. `gone` tells afterwards
    whether that task was cancelled because the client has left."""

    def __init__(self, receive: Receive) -> None:
        self.gone = False
        self._receive = receive
        self._handler = asyncio.current_task()
        self._task: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(_PATIENCE, self._start)

    def end(self) -> None:
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._wait())

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            continue
        self.gone = True
        if self._handler is not None:
            self._handler.cancel()
