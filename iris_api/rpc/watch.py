"""DisconnectWatch: cancels a handler that outlives its client or its deadline."""

from __future__ import annotations

import asyncio
from typing import Final

from iris_api.rpc.asgi import Receive

__all__ = ["DisconnectWatch"]

_PATIENCE: Final = 0.5  # seconds: calls that end sooner, nearly all, cost a timer and no task


class DisconnectWatch:
    """Made by the task that runs the handler, once the request's body is read. After that task was
    cancelled, `gone` tells that the client has left, `expired` that `seconds` have passed."""

    __slots__ = ("_handler", "_left", "_receive", "_task", "_timer", "expired", "gone", "seconds")

    def __init__(self, receive: Receive, seconds: float | None = None) -> None:
        self.gone = False
        self.expired = False
        self.seconds = seconds
        self._receive = receive
        self._handler = asyncio.current_task()
        self._task: asyncio.Task[None] | None = None
        wait = _PATIENCE if seconds is None else min(_PATIENCE, seconds)
        self._left = None if seconds is None else seconds - wait
        self._timer = asyncio.get_running_loop().call_later(wait, self._start)

    def end(self) -> None:
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._wait())

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._left):
                while (await self._receive())["type"] != "http.disconnect":
                    continue
            self.gone = True
        except TimeoutError:
            self.expired = True
        if self._handler is not None:
            self._handler.cancel()
