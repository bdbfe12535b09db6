"""SimLoop: an asyncio event loop whose callbacks are events of the simulation, one step each."""

from __future__ import annotations

import asyncio
import contextvars
from asyncio import events
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar

from iris_api.testing.sim.hosts import Process
from iris_api.testing.sim.kernel import Kernel

__all__ = ["SimLoop"]

T = TypeVar("T")


class SimLoop:
    """As asyncio.AbstractEventLoop, as far as code that does no input and output of its own goes. Belongs to
    a process and dies with it. No callback may block."""

    def __init__(self, kernel: Kernel, process: Process) -> None:
        self._kernel, self._process = kernel, process
        self._ready: deque[asyncio.Handle] = deque()
        self._due = False
        self._as_loop: Any = self
        process.loop = self

    def time(self) -> float:
        return self._process.host.mono()

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self._as_loop, context)
        self._ready.append(handle)
        self._arm()
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self._as_loop, context)
        left = max(0.0, when - self.time())
        self._kernel.after(left, lambda: self._run(handle), self._process)
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self._as_loop)

    def create_task(self, coro: Any, *, name: object = None, context: Any = None) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(
            coro, loop=self._as_loop, name=None if name is None else str(name), context=context
        )
        self._process.kept.append(task)
        return task

    def run_in_executor(
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        if executor is None:
            raise NotImplementedError("a simulated event loop has no executor of its own")
        return asyncio.wrap_future(executor.submit(func, *args), loop=self._as_loop)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if self._process.alive:
            self._kernel.errors.append(f"event loop of {self._process.name}: {context['message']}: {error!r}")

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return self._process.alive

    def is_closed(self) -> bool:
        return not self._process.alive

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Its event finds it cancelled."""

    def _arm(self) -> None:
        if self._ready and not self._due:
            self._due = True
            self._kernel.soon(self._step, self._process)

    def _step(self) -> None:
        self._due = False
        handle = self._ready.popleft()
        self._arm()
        self._run(handle)

    def _run(self, handle: asyncio.Handle) -> None:
        if handle.cancelled():
            return
        outer = events._get_running_loop()
        events._set_running_loop(self._as_loop)
        try:
            handle._run()
        finally:
            events._set_running_loop(outer)
