"""Threads and executors that a task's own code makes see the task's context.

In a process of its own the environment would tell them who they are. Here they inherit the context of
their maker, as Python 3.14 has it (thread_inherit_context), if that is inside a task; others are untouched.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.thread import _worker
from typing import Any

from iris_backends.local._current import in_task
from iris_backends.local._patch import Patch

__all__ = ["EXECUTORS", "THREADS"]

_Thread = threading.Thread  # noqa: TID251  makes none


def _starting(start: Callable[[Any], None]) -> Callable[[Any], None]:
    def start_in_context(thread: Any) -> None:
        if in_task() and not _is_pooled(thread):
            run, context = thread.run, contextvars.copy_context()

            def run_in_context() -> None:
                del thread.run  # the instance's own, or it would be part of a cycle
                context.run(run)

            thread.run = run_in_context
        start(thread)

    return start_in_context


def _is_pooled(thread: Any) -> bool:
    """An executor's thread serves several makers: each of its calls brings its own context."""
    return getattr(thread, "_target", None) is _worker


def _submitting(submit: Callable[..., Future[Any]]) -> Callable[..., Future[Any]]:
    def submit_in_context(pool: Any, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if in_task():
            return submit(pool, contextvars.copy_context().run, fn, *args, **kwargs)
        return submit(pool, fn, *args, **kwargs)

    return submit_in_context


THREADS = Patch(_Thread, {"start": _starting})
EXECUTORS = Patch(ThreadPoolExecutor, {"submit": _submitting})
