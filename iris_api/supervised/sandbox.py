"""SupervisedSandbox: the worker's end of one attempt."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import threading
from collections.abc import Callable

from iris_api.platform import Exit, ExitKind, LogSink, Sandbox, Stats
from iris_api.supervised import _files as files
from iris_api.supervised.folder import Folder, SpoolReader, this_process
from iris_api.supervised.processes import kill_attempt, usage
from iris_api.supervised.watcher import Watcher

__all__ = ["SupervisedSandbox"]

_log = logging.getLogger("iris.runtime")


class SupervisedSandbox(Sandbox):
    """Follows the spool, and waits for the supervisor `pid`, of which `pidfd` is None if it has ended."""

    def __init__(
        self, folder: Folder, sink: LogSink, watcher: Watcher, pid: int, pidfd: int | None,
        ended: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.uid = folder.uid
        self._folder = folder
        self._sink = sink
        self._watcher = watcher
        self._pid = pid
        self._pidfd = pidfd
        self._on_end = ended
        self._spool = SpoolReader(folder)
        self._lock = threading.Lock()  # guards the file descriptors against a stop at the end
        self._stop_ordered = False
        self._exit: Exit | None = None
        self._ended = threading.Event()
        self._control = folder.open_fifo(files.CONTROL)
        self._wake = folder.open_fifo(files.WAKE)

    def follow(self) -> None:
        """Begin to deliver; what has ended already is delivered before this returns."""
        if self._pidfd is None:
            self._finish()
            return
        self._tell(f"worker {this_process()}")
        os.write(self._wake, b"\n")  # for what an earlier worker was woken for
        self._watcher.add(self._wake, self._deliver)
        self._watcher.add(self._pidfd, self._finish_if_ended)  # may close all files before this returns

    def wait(self, timeout: float | None = None) -> Exit | None:
        self._ended.wait(timeout)
        return self._exit

    def stop(self, grace: float) -> None:
        with self._lock:
            if self._exit is None and self._control >= 0:
                self._stop_ordered = True
                self._tell(f"stop {max(0.0, grace):f}")
                if self._pidfd is not None:  # a supervisor that stands still would never hear of it
                    with contextlib.suppress(ProcessLookupError):
                        signal.pidfd_send_signal(self._pidfd, signal.SIGCONT)

    def stats(self) -> Stats | None:
        return None if self._ended.is_set() else usage(self._pid)

    def let_go(self) -> None:
        """Follow it no more; it goes on for as long as its lease. Waiters are not woken."""
        with self._lock:
            if self._control >= 0:
                self._tell("alone")
            self._close()

    def _tell(self, order: str) -> None:
        with contextlib.suppress(BlockingIOError):  # thousands of orders are there already
            os.write(self._control, f"{order}\n".encode())

    def _deliver(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, 1 << 16)
        if self._read():  # the others have their turn first
            os.write(self._wake, b"\n")

    def _read(self) -> bool:
        lines, more = self._spool.read()
        for timestamp, source, text in lines:
            self._sink.write(source, text, timestamp)
        return more

    def _finish_if_ended(self) -> None:
        fd = self._pidfd  # the event may be one of an earlier file of that number
        if fd is not None and select.select([fd], [], [], 0)[0]:
            self._finish()

    def _finish(self) -> None:
        """The supervisor has ended: take the rest of the output, then tell how the attempt ended."""
        try:
            end = self._collect()
        except Exception as error:
            _log.exception("attempt %s: its end cannot be told", self.uid)
            end = Exit(kind=ExitKind.UNKNOWN, message=f"its end cannot be told: {error}")
        with self._lock:
            self._exit = end
            self._close()
        self._on_end(self.uid)
        self._ended.set()

    def _collect(self) -> Exit:
        how = self._reap()
        end = self._folder.exit()
        if end is None:
            kill_attempt(self._folder.path, self._pid if self._pidfd is not None else 0)
        while self._read():
            continue
        self._folder.drop_secrets()
        return end or self._lost(how)

    def _reap(self) -> str:
        """How the supervisor has ended, as far as this process can know."""
        if self._pidfd is not None:
            with contextlib.suppress(ChildProcessError):  # the child of an earlier worker
                found = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)
                if found is not None:
                    return "failed" if found.si_code == os.CLD_EXITED else "was killed"
        return "was killed or failed"

    def _lost(self, how: str) -> Exit:
        why = self._folder.complaint()
        message = f"its supervisor {how}" + (f": {why}" if why else "")
        return Exit(kind=ExitKind.UNKNOWN, message=message, stopped=self._stop_ordered)

    def _close(self) -> None:
        for fd in (self._wake, self._pidfd):
            if fd is not None and fd >= 0:
                self._watcher.remove(fd)
                os.close(fd)
        if self._control >= 0:
            os.close(self._control)
        self._wake = self._control = -1
        self._pidfd = None
        self._spool.close()
