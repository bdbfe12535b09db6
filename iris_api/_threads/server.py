"""A uvicorn server on a thread: says when it listens, why it does not, and stops at once.

`uvicorn.Server.serve` looks at `should_exit` ten times a second, polls its connections at the end and
turns a failed bind into SystemExit. So its parts (startup, on_tick) are driven from here.
"""

import asyncio
import concurrent.futures
import contextlib
import contextvars
import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from iris_api._threads.executor import ContextExecutor
from iris_api._threads.managed import ManagedThread

if TYPE_CHECKING:
    from iris_api._threads.container import ThreadContainer

__all__ = ["UvicornServer", "start_server"]

_App = Callable[[Any, Any, Any], Coroutine[Any, Any, None]]

_GRACE = 1.0  # seconds for requests in flight, where the server's config says nothing
_THREAD_GRACE = 0.2  # seconds at least for idle handler threads to end
_TICK = 1.0  # seconds between two calls of on_tick
_HANDLER_THREADS = 64  # for asyncio.to_thread


class UvicornServer(Protocol):
    """What is used of `uvicorn.Server` (0.36 or newer)."""

    config: Any
    lifespan: Any
    server_state: Any
    servers: Any
    should_exit: bool

    async def startup(self) -> None: ...
    async def on_tick(self, counter: int) -> bool: ...


def start_server(
    container: "ThreadContainer", server: UvicornServer, name: str, ready_timeout: float
) -> ManagedThread:
    """See `ThreadContainer.spawn_server`."""
    grace = _grace(server)
    executor = ContextExecutor(
        container.child(f"{name}-handlers"), _HANDLER_THREADS, shutdown_timeout=max(grace, _THREAD_GRACE)
    )
    run = _ServerRun(server, name, executor, grace)
    try:
        thread = container._spawn(run, name, run.wake)
    except BaseException:
        executor.shutdown()
        raise
    if not run.wait_ready(ready_timeout):
        thread.stop(grace)
        raise TimeoutError(f"server {name!r} did not listen within {ready_timeout:.3g} s: {run.waits_for()}")
    error = run.startup_error()
    if error is not None:
        thread.join(grace)
        raise error
    return thread


class _ServerRun:
    """One life of a server; the target of its thread."""

    def __init__(self, server: UvicornServer, name: str, executor: ContextExecutor, grace: float) -> None:
        self._server = server
        self._name = name
        self._executor = executor
        self._grace = grace
        self._ready: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._serving: asyncio.Task[Any] | None = None
        self._woken = asyncio.Event()

    def __call__(self, stop: threading.Event) -> None:
        try:
            with asyncio.Runner(loop_factory=self._server.config.get_loop_factory()) as runner:
                runner.run(self._serve(stop))
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(self._explain(error))
        finally:
            self._executor.shutdown(wait=False)

    def wait_ready(self, timeout: float) -> bool:
        return bool(concurrent.futures.wait([self._ready], timeout).done)

    def startup_error(self) -> BaseException | None:
        return self._ready.exception(timeout=0)

    def waits_for(self) -> str:
        if self._loop is None:
            return "its event loop has not started"
        return "its application's start-up (lifespan) has not ended"

    def wake(self) -> None:
        """Make the server stop now. From any thread; does not block; idempotent."""
        self._server.should_exit = True
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: it has stopped
                loop.call_soon_threadsafe(self._interrupt)

    def _interrupt(self) -> None:
        self._woken.set()
        if not self._ready.done() and self._serving is not None:
            self._serving.cancel()

    async def _serve(self, stop: threading.Event) -> None:
        self._serving = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        self._loop.set_default_executor(self._executor)
        if stop.is_set():  # before there was a loop to wake
            raise asyncio.CancelledError
        await self._start()
        self._ready.set_result(None)
        try:
            await self._tick_until_woken()
        finally:
            await _shut_down(self._server, self._grace)

    async def _start(self) -> None:
        config = self._server.config
        if not config.loaded:
            config.load()
        if isinstance(self._loop, asyncio.BaseEventLoop):  # not uvloop, which does without
            config.loaded_app = _in_fresh_context(config.loaded_app)
        self._server.lifespan = config.lifespan_class(config)
        try:
            await self._server.startup()
        except SystemExit as error:  # which would tear the event loop down
            raise self._explain(error) from None

    async def _tick_until_woken(self) -> None:
        pause = _TICK if _has_ticks(self._server) else None
        while not await self._server.on_tick(0):  # 0: the call that also renews the date header
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()

    def _explain(self, error: BaseException) -> BaseException:
        """What uvicorn hid in SystemExit; its context is the failure that it had logged."""
        if isinstance(error, asyncio.CancelledError):
            return RuntimeError(f"server {self._name!r} was stopped before it listened")
        if not isinstance(error, SystemExit):
            return error
        cause = error.__context__
        if not isinstance(cause, Exception):
            return RuntimeError(
                f"server {self._name!r} did not start: its application's start-up (lifespan) failed;"
                " the log of 'uvicorn.error' has the traceback"
            )
        cause.add_note(f"server {self._name!r} could not start")
        return cause


def _in_fresh_context(app: _App) -> _App:
    """Have each request run in a copy of this context.

    Else asyncio lets what one request has set reach the next on its connection (python/cpython#140947).
    """
    context = contextvars.copy_context()

    async def run(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.create_task(app(scope, receive, send), context=context.copy())

    return run


async def _shut_down(server: UvicornServer, grace: float) -> None:
    """Close the listeners and idle connections now; what is in flight after `grace` seconds is cut off."""
    state = server.server_state
    for listener in server.servers:
        listener.close()
    for connection in tuple(state.connections):
        connection.shutdown()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(grace):
            await _drain(state)
    await _cut_off(state)
    await server.lifespan.shutdown()


async def _drain(state: Any) -> None:
    while state.tasks:
        await asyncio.wait(tuple(state.tasks))
    while state.connections:  # noqa: ASYNC110  their last bytes are under way; no event tells when they are gone
        await asyncio.sleep(0.001)


async def _cut_off(state: Any) -> None:
    tasks = tuple(state.tasks)
    for task in tasks:
        task.cancel("the server stops")
    if tasks:
        await asyncio.wait(tasks, timeout=0.1)
    for connection in tuple(state.connections):
        connection.transport.abort()


def _grace(server: UvicornServer) -> float:
    configured = server.config.timeout_graceful_shutdown
    return _GRACE if configured is None else float(configured)


def _has_ticks(server: UvicornServer) -> bool:
    config = server.config
    return bool(config.date_header or config.callback_notify or config.limit_max_requests)
