"""Calls as a plugin meets them: with a bound, from many threads at once, out of a process that is killed."""

from __future__ import annotations

import os
import signal
import threading
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import pytest

from iris_api.testing.waiting import wait_for_condition
from iris_api.threads import ThreadContainer

__all__ = ["at_once", "run_and_kill", "within"]

T = TypeVar("T")


class _Call(Generic[T]):
    """A call on a thread of its own: one that hangs must not take the tests along."""

    def __init__(self, call: Callable[[], T], what: str) -> None:
        self._call, self._what = call, what
        self._result: list[T] = []
        self._error: BaseException | None = None
        self._thread = ThreadContainer(what).spawn(self._run, what)

    def result(self, timeout: float) -> T:
        if not self._thread.join(timeout):
            pytest.fail(f"{self._what} has not returned within {timeout:g} s", pytrace=False)
        if self._error is not None:
            raise self._error
        return self._result[0]

    def _run(self, _stop: threading.Event) -> None:
        try:
            self._result.append(self._call())
        except BaseException as error:
            self._error = error


def within(seconds: float, call: Callable[[], T], what: str) -> T:
    """What `call` returns or raises; the test fails if that takes longer."""
    return _Call(call, what).result(seconds)


def at_once(seconds: float, calls: Sequence[Callable[[], T]], what: str) -> list[T]:
    """What the calls return, each made on a thread of its own, all at the same moment."""
    barrier = threading.Barrier(len(calls))

    def begin(call: Callable[[], T]) -> Callable[[], T]:
        def wait_and_call() -> T:
            barrier.wait(seconds)
            return call()

        return wait_and_call

    made = [_Call(begin(call), what) for call in calls]
    return [one.result(seconds) for one in made]


def run_and_kill(work: Callable[[], object], timeout: float) -> None:
    """Do `work` in a process of its own, which is then killed as by `kill -9`. What it raises fails the
    test."""
    readable, writable = os.pipe()
    pid = _fork()
    if pid == 0:
        _work_until_killed(work, writable)
    os.close(writable)
    try:
        status = wait_for_condition(lambda: _ended(pid), timeout, message="the process that is to be killed")
        trouble = b"" if os.WIFSIGNALED(status[0]) else os.read(readable, 1 << 16)
    except TimeoutError:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    finally:
        os.close(readable)
    if trouble:
        pytest.fail(f"in a process of its own:\n{trouble.decode(errors='replace')}", pytrace=False)


def _fork() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # there may be threads, none of which is needed
        return os.fork()


def _work_until_killed(work: Callable[[], object], trouble: int) -> None:
    try:
        work()
        os.kill(os.getpid(), signal.SIGKILL)
    except BaseException:
        os.write(trouble, traceback.format_exc()[-4000:].encode("utf-8", "replace"))
    finally:
        os._exit(1)


def _ended(pid: int) -> tuple[int, ...]:
    found, status = os.waitpid(pid, os.WNOHANG)
    return (status,) if found else ()
