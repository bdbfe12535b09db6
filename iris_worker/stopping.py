"""Stopping: a sandbox is asked to end, and nobody is held up by a runtime that hangs over it."""

from __future__ import annotations

import logging
import threading

from iris_api.platform import Sandbox
from iris_api.plugins import PluginCalls, blamed_text
from iris_api.threads import ThreadContainer

__all__ = ["Stopping"]

_log = logging.getLogger("iris.worker")


class Stopping:
    """The stops of one sandbox. Safe from several threads."""

    def __init__(self, sandbox: Sandbox, uid: str, calls: PluginCalls) -> None:
        self._sandbox, self._uid, self._calls = sandbox, uid, calls
        self._lock = threading.Lock()
        self._asked: float | None = None  # with the grace of the stop that is under way

    def ask(self, grace: float) -> None:
        """From a thread of its own: a stop that does not return holds up nobody, and is overdue soon."""
        with self._lock:
            if self._asked is not None and self._asked <= grace:
                return
            self._asked = grace
        ThreadContainer(f"stop-{self._uid}").spawn(lambda _stop: self._tell(grace), name="stop")

    def _tell(self, grace: float) -> None:
        try:
            with self._calls.during("stop()"):
                self._sandbox.stop(grace)
        except Exception as error:
            _log.warning("attempt %s cannot be stopped: %s", self._uid, blamed_text(error))
        with self._lock:
            self._asked = None
