"""News: when the controller is to be told what has changed here."""

from __future__ import annotations

import threading
import time
from typing import Final

__all__ = ["News"]

_SOON: Final = 0.2  # seconds that a start waits for more to be told with it


class News:
    """Safe from several threads; one of them waits. An end is told at once: somebody waits for it, and its
    room is needed. Nobody waits for a start: short tasks have both told together, for half the work."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._due: float | None = None  # monotonic

    def tell(self) -> None:
        """At once."""
        self._tell_by(time.monotonic())

    def mention(self) -> None:
        """Soon."""
        self._tell_by(time.monotonic() + _SOON)

    def wait(self) -> None:
        """Until there is something to tell; what comes from now on is to be told anew."""
        with self._condition:
            while self._due is None or (left := self._due - time.monotonic()) > 0:
                self._condition.wait(None if self._due is None else left)
            self._due = None

    def _tell_by(self, due: float) -> None:
        with self._condition:
            if self._due is None or due < self._due:
                self._due = due
                self._condition.notify_all()
