"""MethodLoop: one event loop for the ``async def`` methods of a server, made at the first of them."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Final

from iris_api.errors import Refused
from iris_api.threads import ManagedThread, ThreadContainer

__all__ = ["MethodLoop"]

_EXECUTOR: Final = 32  # threads
_SLACK: Final = 5.0  # seconds that a coroutine has to end once it is cancelled


class MethodLoop:
    def __init__(self, threads: ThreadContainer) -> None:
        self._threads = threads
        self._lock = threading.Lock()
        self._thread: ManagedThread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._executor = threads.spawn_executor(_EXECUTOR, "actor-async-threads")  # of asyncio.to_thread
        self._tasks: set[asyncio.Task[None]] = set()  # asyncio itself keeps them weakly

    def run(self, coroutine: Coroutine[Any, Any, Any], timeout: float) -> Any:
        """Run it in this context, cancelled after `timeout` seconds; this thread waits."""
        done: Future[Any] = Future()
        loop = self._started()
        context = contextvars.copy_context()
        loop.call_soon_threadsafe(lambda: self._begin(coroutine, context, timeout, done))
        return done.result(timeout + _SLACK)

    def close(self, timeout: float) -> None:
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.stop(timeout)

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._thread is None:
                self._loop = asyncio.new_event_loop()
                try:
                    self._thread = self._threads.spawn(
                        self._serve(self._loop), "actor-async", on_stop=self._wake
                    )
                except RuntimeError as error:
                    raise Refused("unavailable", "this server is stopping") from error
            assert self._loop is not None
            return self._loop

    def _wake(self) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(loop.stop)

    def _serve(self, loop: asyncio.AbstractEventLoop) -> Callable[[threading.Event], None]:
        def serve(stop: threading.Event) -> None:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:  # cancels what is left at its end
                runner.get_loop().set_default_executor(self._executor)
                if not stop.is_set():
                    loop.run_forever()

        return serve

    def _begin(
        self,
        coroutine: Coroutine[Any, Any, Any],
        context: contextvars.Context,
        timeout: float,
        done: Future[Any],
    ) -> None:
        task = asyncio.get_running_loop().create_task(_finish(coroutine, timeout, done), context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _finish(coroutine: Coroutine[Any, Any, Any], timeout: float, done: Future[Any]) -> None:
    try:
        async with asyncio.timeout(timeout):
            value = await coroutine
    except BaseException as error:
        done.set_exception(error)
        if isinstance(error, asyncio.CancelledError):
            raise
    else:
        done.set_result(value)
