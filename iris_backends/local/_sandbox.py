"""ThreadSandbox: one attempt as a thread of this process."""

from __future__ import annotations

import ctypes
import pickle
import threading
import time
import traceback

from iris_api.job_info import set_job_info, set_stop_event
from iris_api.jobs import python_version
from iris_api.platform import Exit, ExitKind, Launch, Sandbox
from iris_api.threads import ManagedThread, ThreadContainer, get_thread_registry, thread_registry_scope
from iris_backends.local._current import Output, plain, set_output
from iris_backends.local._inherit import EXECUTORS, THREADS
from iris_backends.local._logs import LOGGING

__all__ = ["AttemptStopped", "ThreadSandbox"]

_PATCHES = (LOGGING, THREADS, EXECUTORS)
_LAST_WORDS = 2.0  # seconds from the exception to giving a thread up


class AttemptStopped(BaseException):
    """Raised in a task's thread that has not ended by itself within its grace."""

    def __str__(self) -> str:
        return "the task had not ended within its grace"


class ThreadSandbox(Sandbox):
    """The thread is asked by an event, then by an exception; one that heeds neither is ABANDONED."""

    def __init__(self, launch: Launch, threads: ThreadContainer) -> None:
        self.uid = launch.uid
        self._launch = launch
        self._threads = threads
        self._output = Output(launch.output)
        self._changed = threading.Condition()
        self._exit: Exit | None = None
        self._ident: int | None = None  # of the thread, while an exception may be raised in it
        self._stop_at: float | None = None
        self._stopper: ManagedThread | None = None
        for patch in _PATCHES:
            patch.acquire()
        try:
            self._thread = threads.spawn(self._run, f"task-{launch.info.task_id}")
        except RuntimeError:
            self._release()
            raise

    def wait(self, timeout: float | None = None) -> Exit | None:
        with self._changed:
            self._changed.wait_for(lambda: self._exit is not None, timeout)
            return self._exit

    def stop(self, grace: float) -> None:
        with self._changed:
            if self._exit is not None:
                return
            at = time.monotonic() + max(0.0, grace)
            self._stop_at = at if self._stop_at is None else min(at, self._stop_at)
            self._changed.notify_all()
            if self._stopper is None:
                self._stopper = self._start_stopper()

    def _start_stopper(self) -> ManagedThread | None:
        self._thread.stop_event.set()
        try:
            return self._threads.spawn(self._see_it_end, f"stop-{self.uid}")
        except RuntimeError:  # the container stops its threads itself
            return None

    def _see_it_end(self, _stop: threading.Event) -> None:
        with self._changed:
            while self._exit is None and (left := self._grace_left()) > 0:
                self._changed.wait(left)
            if self._exit is None and self._ident is not None:
                _raise_in(self._ident, AttemptStopped)
        if self.wait(_LAST_WORDS) is None:
            message = f"the thread did not end within {_LAST_WORDS:g} s of being stopped; it may still run"
            self._finish(Exit(kind=ExitKind.ABANDONED, message=message))

    def _grace_left(self) -> float:
        assert self._stop_at is not None
        return self._stop_at - time.monotonic()

    def _run(self, stop: threading.Event) -> None:
        try:
            self._begin(stop)
            self._finish(self._call())
        except AttemptStopped:  # it may come at any place
            self._finish(_raised(_last_line(AttemptStopped())))
        except BaseException as error:
            self._finish(Exit(kind=ExitKind.UNKNOWN, message=plain(f"its end cannot be told: {error}")))
            raise

    def _begin(self, stop: threading.Event) -> None:
        set_job_info(self._launch.info)
        set_stop_event(stop)
        set_output(self._output)
        with self._changed:
            self._ident = threading.get_ident()

    def _call(self) -> Exit:
        entry = self._launch.entry
        mine = python_version()
        if entry.python != mine:
            what = f"the call was pickled by Python {entry.python}, and this process is Python {mine}"
            return self._fail(ExitKind.ENVIRONMENT, what)
        try:
            function, args, kwargs = pickle.loads(entry.call)
        except Exception as error:
            return self._fail(ExitKind.RAISED, f"the call could not be unpickled: {_last_line(error)}")
        own = f"task-{self._launch.info.task_id}"
        try:
            with thread_registry_scope(own, within=get_thread_registry()):  # its threads end with it
                function(*args, **kwargs)
        except SystemExit as end:
            return self._exited(end.code)
        except BaseException as error:
            return self._raised(error)
        return Exit(kind=ExitKind.EXITED, code=0)

    def _fail(self, kind: ExitKind, message: str) -> Exit:
        self._output.write("stderr", [f"iris: {message}"])
        return Exit(kind=kind, code=1, message=message)

    def _exited(self, code: object) -> Exit:
        if code is None or isinstance(code, int):
            return Exit(kind=ExitKind.EXITED, code=(code or 0) & 0xFF)
        self._output.write("stderr", str(code).split("\n"))
        return Exit(kind=ExitKind.EXITED, code=1)

    def _raised(self, error: BaseException) -> Exit:
        trace = error.__traceback__
        shown = traceback.format_exception(type(error), error, trace.tb_next if trace is not None else None)
        self._output.write("stderr", "".join(shown).rstrip("\n").split("\n"))
        return _raised(_last_line(error))

    def _finish(self, end: Exit) -> None:
        """The first call decides."""
        with self._changed:
            if self._exit is not None:
                return
            if self._ident is not None:
                _raise_in(self._ident, None)  # one that is under way shall not hit what comes after
                self._ident = None
            self._output.close()
            stopped = self._stop_at is not None
            self._release()
            self._exit = Exit(kind=end.kind, code=end.code, message=end.message, stopped=stopped)
            self._changed.notify_all()

    def _release(self) -> None:
        for patch in reversed(_PATCHES):
            patch.release()


def _raise_in(ident: int, error: type[BaseException] | None) -> None:
    what = ctypes.py_object(error) if error is not None else None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), what)


def _raised(message: str) -> Exit:
    return Exit(kind=ExitKind.RAISED, code=1, message=message)


def _last_line(error: BaseException) -> str:
    own = traceback.TracebackException(type(error), error, None)
    own.__notes__ = None  # they would stand last
    return plain(list(own.format_exception_only())[-1].strip()[:4000])
