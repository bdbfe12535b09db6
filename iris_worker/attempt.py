"""One attempt on this worker: built, started, waited for, its output drained, its end reported."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from attrs import evolve, field, frozen

from iris_api.errors import IrisError, JobFault
from iris_api.jobs import TaskState
from iris_api.platform import Exit, ExitKind, Sandbox, SupportsOnEnd
from iris_api.plugins import PluginCalls, blamed_text
from iris_worker.errors import BadBundle, BadEnvironment, StoppedEarly
from iris_worker.logs import AttemptLog
from iris_worker.news import News
from iris_worker.stopping import Stopping

__all__ = ["AttemptRun", "Observation"]

_log = logging.getLogger("iris.worker")
_NEVER_STARTED: Final = Exit(kind=ExitKind.UNKNOWN, message="it was stopped before it started", stopped=True)
_DRAIN: Final = 3600.0  # seconds for which the end of an attempt waits for its output to arrive


@frozen(kw_only=True)
class Observation:
    """What the controller is told of an attempt. `exit` once its sandbox is gone; `started` in Unix
    seconds, 0 before."""

    uid: str
    state: TaskState | None = TaskState.BUILDING  # None: it is over
    exit: Exit | None = None
    last_lines: tuple[str, ...] = ()
    started: float = field(default=0.0)


class AttemptRun:
    """Owned by the thread that `live` runs in; where the sandbox tells its end by itself, that thread ends
    once it runs, and `spawn` starts another for its end. `stop` and `observation` are for any thread."""

    def __init__(
        self,
        uid: str,
        log: AttemptLog,
        *,
        start: Callable[[AttemptRun], Sandbox],
        directory: Path,
        news: News,
        calls: PluginCalls,
        spawn: Callable[[Callable[[threading.Event], None]], object],
    ) -> None:
        """`start` builds what the attempt needs below `directory` and starts its sandbox; `calls` are
        those of the sandbox's runtime; `spawn` runs something in a thread of this attempt."""
        self.uid, self.log, self.directory = uid, log, directory
        self._start, self._news, self._calls, self._spawn = start, news, calls, spawn
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._observation = Observation(uid=uid)
        self._sandbox: Stopping | None = None
        self._grace: float | None = None
        self._wake: Callable[[], None] | None = None
        self._why = ""

    @property
    def observation(self) -> Observation:
        return self._observation

    @property
    def ended(self) -> bool:
        return self._observation.exit is not None

    def stop(self, grace: float, why: str = "") -> None:
        """End it; at once if it has not started. Returns at once. `why`, where it is this worker's own
        decision, is told with the end; the first one stays."""
        with self._lock:
            self._why = self._why or why
            self._grace = grace if self._grace is None else min(grace, self._grace)
            sandbox, wake = self._sandbox, self._wake
        if wake is not None:
            wake()
        if sandbox is not None:
            sandbox.ask(grace)

    def on_stop(self, wake: Callable[[], None]) -> None:
        """While it is built: have `wake` called at a stop, from any thread, at once if there was one."""
        with self._lock:
            self._wake = wake
            stopped = self._grace is not None
        if stopped:
            wake()

    def live(self, stop: threading.Event) -> None:
        """The attempt's whole life. Never raises: what goes wrong is how the attempt ended."""
        try:
            end = self._run()
        except Exception as error:
            _log.exception("attempt %s could not be followed to its end", self.uid)
            self.stop(0.0)  # nobody would hear of what it does from now on
            end = Exit(kind=ExitKind.UNKNOWN, message=blamed_text(error))
        if end is not None:
            self._finish(end, stop)

    def _finish(self, end: Exit, stop: threading.Event) -> None:
        if end.stopped and self._why:
            end = evolve(end, message=self._why)
        self._drain(stop)
        lines = self.log.last_lines()
        self._observation = evolve(self._observation, state=None, exit=end, last_lines=lines)
        self._over.set()
        self._news.tell()

    def wait(self, timeout: float) -> None:
        """Until it has ended, or for so many seconds."""
        self._over.wait(timeout)

    def remove(self) -> bool:
        """Its end is acknowledged: leave nothing on the disk. False if something is left: try again later."""
        shutil.rmtree(self.directory, ignore_errors=True)
        return not self.directory.exists()

    def _run(self) -> Exit | None:
        """How it ended; None: that is told later."""
        if self._grace is not None:
            return _NEVER_STARTED
        try:
            sandbox = self._start(self)
        except StoppedEarly:
            return _NEVER_STARTED
        except BadBundle as error:
            return Exit(kind=ExitKind.ENVIRONMENT, message=str(error))
        except BadEnvironment as error:
            return Exit(kind=ExitKind.ENVIRONMENT, message=str(error), of_job=error.of_job)
        except (IrisError, OSError) as error:
            why = f"it could not be started: {blamed_text(error)}"
            return Exit(kind=ExitKind.ENVIRONMENT, message=why, of_job=isinstance(error, JobFault))
        return self._follow(sandbox)

    def _follow(self, sandbox: Sandbox) -> Exit | None:
        with self._lock:
            self._sandbox, grace = Stopping(sandbox, self.uid, self._calls), self._grace
            self._wake = None
            self._observation = evolve(self._observation, state=TaskState.RUNNING, started=time.time())
        if grace is not None:
            self.stop(grace)
        self._news.mention()
        if isinstance(sandbox, SupportsOnEnd):
            with self._calls.blamed("on_end()"):
                sandbox.on_end(self._ended_by_itself)
            return None
        with self._calls.blamed("wait()"):
            end = sandbox.wait()
        return self._calls.checked(end, Exit, "wait() without a timeout")

    def _ended_by_itself(self, end: Exit) -> None:
        """On a thread of the runtime's, which is not to be held up."""
        checked = self._calls.checked(end, Exit, "on_end()")
        try:
            self._spawn(partial(self._finish, checked))
        except RuntimeError:  # this worker ends: there is nobody to drain the output to
            stopped = threading.Event()
            stopped.set()
            self._finish(checked, stopped)

    def _drain(self, stop: threading.Event) -> None:
        """All output first, then the end. A worker that ends does not wait for an absent controller."""
        until = time.monotonic() + _DRAIN
        while time.monotonic() < until and not self.log.wait_sent(0.5):
            if stop.is_set():
                return
