"""ContainerSandbox: the worker's end of one container."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from iris_api.errors import PlatformError
from iris_api.platform import Exit, ExitKind, LogSink, Sandbox, Stats
from iris_api.supervised.watcher import Watcher
from iris_api.threads import ThreadContainer
from iris_backends.docker.cgroups import Cgroup
from iris_backends.docker.engine import Engine
from iris_backends.docker.errors import DaemonDown, DaemonFault, DockerError, Gone
from iris_backends.docker.exits import exit_of
from iris_backends.docker.folder import Folder, Order
from iris_backends.docker.logs import LogStream
from iris_backends.docker.output import TAIL_LINES, Frame, Lines, stamp_ns

__all__ = ["ContainerSandbox"]

_log = logging.getLogger("iris.runtime")
_AWAY: Final = 60.0  # seconds for which a daemon that is away is waited for, before a container is given up
_SETTLE: Final = 0.3  # seconds after its start in which a container's first process may not heed a signal yet
_AGAIN: Final = 0.5  # seconds between two tries of what the daemon could not do
_REMOVED: Final = ("removing", "dead")  # states of a container that somebody removes


class ContainerSandbox(Sandbox):
    """Follows a container's output on the watcher's thread; a thread of its own has it only while it is being
    stopped, and at its end."""

    def __init__(
        self, folder: Folder, order: Order, engine: Engine, sink: LogSink, watcher: Watcher,
        threads: ThreadContainer, ended: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.uid = folder.uid
        self._folder, self._order, self._engine = folder, order, engine
        self._watcher, self._threads, self._on_end = watcher, threads, ended
        self._lines = Lines(order.output_limit, sink.write)
        self._logs = LogStream(engine.url, engine.version(), order.container)
        self._lock = threading.Lock()
        self._ordering = threading.Lock()  # held while the daemon is told to signal
        self._released = False
        self._again = False  # it was followed again after its end
        self._away: tuple[float, float] | None = None  # the daemon was, from when to when in Unix time
        self._started = time.monotonic()
        self._kill_at: float | None = None
        self._hurry = threading.Event()
        self._cgroup: Cgroup | None = None
        self._peak: int | None = None
        self._exit: Exit | None = None
        self._calls: list[Callable[[Exit], None]] = []
        self._ended = threading.Event()

    def follow(self) -> None:
        """Begin to deliver. Raises DockerError if the output cannot be had."""
        self._logs.open()
        with self._lock:
            if self._released:
                self._logs.close()
            else:
                self._watcher.add(self._logs.fileno(), self._deliver)

    def wait(self, timeout: float | None = None) -> Exit | None:
        self._ended.wait(timeout)
        return self._exit

    def on_end(self, call: Callable[[Exit], None]) -> None:
        with self._lock:
            end = self._exit
            if end is None:
                self._calls.append(call)
        if end is not None:
            call(end)

    def stop(self, grace: float) -> None:
        with self._lock:
            if self._exit is not None:
                return
            at = time.monotonic() + max(0.0, grace)
            first, self._kill_at = self._kill_at is None, min(at, self._kill_at or at)
            self._hurry.set()
        if first:
            self._threads.spawn(self._stop, f"stop-{self.uid}")

    def stats(self) -> Stats | None:
        cgroup = None if self._ended.is_set() else self._find_cgroup()
        return cgroup.stats() if cgroup is not None else None

    def exec(self, argv: Sequence[str]) -> tuple[int, bytes]:
        if self._ended.is_set():
            raise PlatformError(f"sandbox {self.uid} has ended")
        return self._engine.execute(self._order.container, argv)

    def sample(self) -> None:
        """Note the most memory that it has had so far: with its end the kernel forgets."""
        cgroup = None if self._ended.is_set() else self._find_cgroup()
        peak = cgroup.memory_peak() if cgroup is not None else None
        self._peak = peak if peak is not None else self._peak

    def let_go(self) -> None:
        """Follow it no more; the container goes on. Waiters are not woken."""
        with self._lock:
            self._released = True
        self._hurry.set()

    def close(self) -> None:
        """After `let_go`, once the watcher is closed."""
        self._logs.close()

    def _find_cgroup(self) -> Cgroup | None:
        if self._cgroup is None:
            try:
                state = self._engine.inspect(self._order.container, patience=0)["State"]
            except DockerError:  # asked again with the next sample
                return None
            self._cgroup = Cgroup.of(int(state["Pid"])) if state["Pid"] else None
        return self._cgroup

    def _deliver(self) -> None:
        try:
            frames, more = self._logs.read()
            for frame in frames:
                self._lines.add(frame)
        except Exception:  # a line that cannot be had must not keep the end from being told
            _log.exception("attempt %s: output is lost", self.uid)
            more = False
        if not more:
            self._watcher.remove(self._logs.fileno())
            self._logs.close()
            self._threads.spawn(self._look, f"end-{self.uid}")

    def _look(self, stop: threading.Event) -> None:
        """The output has ended: so has the container, or the daemon."""
        try:
            end = self._wait_for_end(stop)
        except Exception as error:
            _log.exception("attempt %s: its end cannot be told", self.uid)
            end = Exit(kind=ExitKind.UNKNOWN, message=f"its end cannot be told: {error}")
        if end is not None:
            self._lines.finish()
            self._finish(end)

    def _wait_for_end(self, stop: threading.Event) -> Exit | None:
        """None: there is more to come, which is followed again, or is somebody else's to follow."""
        deadline = time.monotonic() + _AWAY
        looked = False
        while not stop.is_set():
            try:
                state = self._engine.inspect(self._order.container, patience=0)["State"]
                if state["Status"] in _REMOVED:
                    return self._gone()
                ended = self._logs.whole and not state["Running"]
                if ended and self._end_output(state):
                    return self._exit_of(state)
                if looked or ended:
                    self.follow()
                    return None
                looked = True
            except Gone:
                return self._gone()
            except (DaemonDown, DaemonFault) as error:
                _log.debug("attempt %s: %s", self.uid, error)
                now, looked = time.time(), False
                self._away = (self._away[0] if self._away else now, now)
                if time.monotonic() > deadline:
                    return Exit(kind=ExitKind.UNKNOWN, message=f"nobody can tell how it is: {error}")
            stop.wait(_AGAIN)
        return None

    def _gone(self) -> Exit:
        with self._ordering:
            stopped = self._folder.stopped
        message = "its container is gone: somebody has removed it"
        return self._folder.exit() or Exit(kind=ExitKind.UNKNOWN, message=message, stopped=stopped)

    def _exit_of(self, state: Mapping[str, Any]) -> Exit:
        with self._ordering:  # an order to stop that is under way is told or not told, nothing between
            stopped = self._folder.was_stopped(_finished(state))
        note, last = self._folder.note(), self._lines.last_error
        return self._folder.exit() or exit_of(
            state, self._order, note, self._peak, last, stopped=stopped, restarted=self._restarted(state)
        )

    def _restarted(self, state: Mapping[str, Any]) -> bool:
        """Whether it was running when another daemon was started that keeps nothing running."""
        if self._away is None or _finished(state) < self._away[1]:
            return False
        return not self._engine.info()["LiveRestoreEnabled"]

    def _end_output(self, state: Mapping[str, Any]) -> bool:
        """False: more of it is missing than can be had at once. Raises DaemonDown."""
        last = self._last_frames()
        missing = self._logs.missing(last)
        if self._lines.is_past_tail():  # who follows a log misses some also where a file of it is full
            self._lines.end_with(last)
        elif len(missing) == TAIL_LINES and not self._again:
            self._again = True
            return False
        else:
            for frame in missing:
                self._lines.add(frame)
        if self._away is not None and self._away[0] <= _finished(state) < self._away[1]:
            self._lines.mark("ended while the Docker daemon was away, its output of that time is lost")
        self._lines.finish()
        return True

    def _last_frames(self) -> Sequence[Frame]:
        try:
            return self._logs.last(TAIL_LINES)
        except DaemonDown:
            raise
        except DockerError as error:  # how it ended is known
            _log.warning("attempt %s: the last of its output may be lost: %s", self.uid, error)
            return ()

    def _finish(self, end: Exit) -> None:
        try:
            self._folder.keep_exit(end)
            self._folder.drop_secrets()
        except OSError as error:  # a worker that comes later looks for itself
            _log.warning("attempt %s: its end cannot be kept: %s", self.uid, error)
        with self._lock:
            self._exit, calls = end, self._calls
        self._on_end(self.uid)
        self._ended.set()
        self._hurry.set()
        for call in calls:
            call(end)

    def _stop(self, stop: threading.Event) -> None:
        if self._left() > 0:
            stop.wait(max(0.0, self._started + _SETTLE - time.monotonic()))
            self._signal(signal.SIGTERM)
        while not stop.is_set() and not self._ended.is_set():
            self._hurry.clear()
            if self._left() <= 0:
                self._signal(signal.SIGKILL)
            self._hurry.wait(self._left() or _AGAIN)

    def _left(self) -> float:
        """Seconds that it has before it is killed."""
        with self._lock:
            assert self._kill_at is not None
            return max(0.0, self._kill_at - time.monotonic())

    def _signal(self, number: int) -> None:
        with self._ordering:
            if self._exit is not None:
                return
            try:
                with contextlib.suppress(OSError):  # a full disk must not keep it from being stopped
                    self._folder.keep_stopping()
                self._engine.signal(self._order.container, number)
                self._folder.keep_stopped()
            except (DaemonDown, DaemonFault, OSError) as error:
                _log.warning("attempt %s cannot be stopped yet: %s", self.uid, error)
            except DockerError:  # it has ended by itself
                return


def _finished(state: Mapping[str, Any]) -> float:
    """Unix time."""
    return stamp_ns(state["FinishedAt"].encode()) / 1e9
