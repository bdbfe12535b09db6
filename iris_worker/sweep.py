"""Sweep: removes what attempts have left on this machine, once their end is acknowledged."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from typing import Final

from iris_api.platform import Runtime
from iris_api.plugins import PluginCalls, blamed_text
from iris_worker.attempt import AttemptRun

__all__ = ["Sweep"]

_log = logging.getLogger("iris.worker")
_AGAIN: Final = 5.0  # seconds until what could not be removed is tried again


class Sweep:
    """Works in the thread that `run` is called in: a runtime that hangs in `forget` holds up only this.
    Safe from several threads."""

    def __init__(self, runtime: Runtime, calls: PluginCalls) -> None:
        self._runtime, self._calls = runtime, calls
        self._changed = threading.Condition()
        self._new: list[AttemptRun] = []
        self._left: list[AttemptRun] = []  # the disk, the process or the runtime lacked the means
        self._busy = False
        self._told: set[str] = set()  # uids, of whose trouble the log knows

    def add(self, runs: Iterable[AttemptRun]) -> None:
        """Have them removed; returns at once."""
        with self._changed:
            self._new += runs
            self._changed.notify_all()

    def wake(self) -> None:
        """Have `run` see that it is to end."""
        with self._changed:
            self._changed.notify_all()

    def wait_idle(self, timeout: float) -> None:
        """Until each was tried once, or for so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: not (self._new or self._busy), timeout)

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            runs = self._take(stop)
            self._put_back([run for run in runs if not self._removed(run)])

    def _take(self, stop: threading.Event) -> list[AttemptRun]:
        with self._changed:
            pause = _AGAIN if self._left else None
            self._changed.wait_for(lambda: self._new or stop.is_set(), pause)
            runs, self._left, self._new = [*self._left, *self._new], [], []
            self._busy = True
            return runs

    def _put_back(self, runs: list[AttemptRun]) -> None:
        with self._changed:
            self._left += runs
            self._busy = False
            self._changed.notify_all()

    def _removed(self, run: AttemptRun) -> bool:
        """False if something is left: try again later. What the runtime raises keeps no folder."""
        forgotten = self._forgotten(run)
        return run.remove() and forgotten

    def _forgotten(self, run: AttemptRun) -> bool:
        try:
            with self._calls.during("forget()"):
                self._runtime.forget(run.uid)
        except Exception as error:
            if run.uid not in self._told:
                self._told.add(run.uid)
                _log.warning("attempt %s is not forgotten yet: %s", run.uid, blamed_text(error))
            return False
        self._told.discard(run.uid)
        return True
