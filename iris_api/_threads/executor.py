"""An executor whose tasks see their submitter's context, and whose threads a container owns."""

import contextvars
import functools
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

if TYPE_CHECKING:
    from iris_api._threads.container import ThreadContainer

__all__ = ["ContextExecutor"]

P = ParamSpec("P")
T = TypeVar("T")


class _Task(Generic[T]):
    def __init__(self, call: Callable[[], T]) -> None:
        self.future: Future[T] = Future()
        self._call = call

    def run(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self._call()
        except BaseException as error:
            self.future.set_exception(error)
            del self  # the error's traceback holds this frame
        else:
            self.future.set_result(result)


class ContextExecutor(ThreadPoolExecutor):
    """Runs tasks on the threads of `threads`, a container of its own.

    It is a ThreadPoolExecutor by type only, because asyncio takes nothing else as a default executor.
    `shutdown_timeout`, in seconds, bounds `shutdown(wait=True)`; None waits until all tasks have ended
    or the container's stop has given up.
    """

    def __init__(
        self, threads: "ThreadContainer", max_workers: int, shutdown_timeout: float | None = None
    ) -> None:
        super().__init__(max_workers)
        self._container = threads
        self._limit = max_workers
        self._shutdown_timeout = shutdown_timeout
        self._lock = threading.Lock()
        self._tasks: queue.SimpleQueue[_Task[Any] | None] = queue.SimpleQueue()
        self._started = 0
        self._idle = 0  # too high while tasks are queued, which happens only when all threads are started
        self._refusing = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run `fn` on a thread, in a copy of this context. Does not block; RuntimeError after a shutdown."""
        task = _Task(functools.partial(contextvars.copy_context().run, fn, *args, **kwargs))
        with self._lock:
            if self._refusing:
                raise RuntimeError(f"cannot submit a task: executor {self._container.name!r} is shut down")
            self._take_or_start_worker()
            self._tasks.put(task)
        return task.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Refuse new tasks; with `wait`, block until the threads have ended. Idempotent.

        Called by a task of this executor, it does not wait.
        """
        inside = self._container._holds_current_thread()
        self._end(cancel_futures)
        self._container._close()
        if not wait or inside:
            return
        if self._shutdown_timeout is None:
            self._container._settled.wait()
        else:
            self._container.stop(self._shutdown_timeout)

    def _take_or_start_worker(self) -> None:
        if self._idle:
            self._idle -= 1
        elif self._started < self._limit:
            self._container._spawn(self._work, f"{self._container.name}-{self._started}", self._halt)
            self._started += 1

    def _work(self, stop: threading.Event) -> None:
        while (task := self._tasks.get()) is not None:
            task.run()
            del task  # or it would live until the next one comes
            with self._lock:
                self._idle += 1
        self._tasks.put(None)  # for the next thread

    def _halt(self) -> None:
        self._end(cancel=True)

    def _end(self, cancel: bool) -> None:
        with self._lock:
            self._refusing = True
            dropped = self._drain() if cancel else []
            self._tasks.put(None)
        for task in dropped:
            task.future.cancel()

    def _drain(self) -> list[_Task[Any]]:
        found = []
        while not self._tasks.empty():
            try:
                found.append(self._tasks.get_nowait())
            except queue.Empty:
                break
        return [task for task in found if task is not None]
