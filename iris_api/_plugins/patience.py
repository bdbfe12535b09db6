"""A plugin's import and its `create` get so long, and no longer: one that hangs must not be a mute start."""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from iris_api._threads.container import ThreadContainer
from iris_api.errors import ConfigError

__all__ = ["MORE", "Asked", "Hangs", "patience", "within"]

T = TypeVar("T")
_VARIABLE: Final = "IRIS_PLUGIN_TIMEOUT"
MORE: Final = f"{_VARIABLE} allows more"
_DEFAULT: Final = 120.0  # seconds; the import of a cloud's SDK has been seen to take 43 on a busy machine
_MOST: Final = 86_400.0
_SOON: Final = 10.0  # seconds until somebody who waits is told for whom
_log = logging.getLogger("iris.plugins")


class Hangs(Exception):
    """It has not returned in time; says where it was last seen."""


def patience() -> float:
    """Seconds that an import or a `create` may take: IRIS_PLUGIN_TIMEOUT, else 120. Raises ConfigError."""
    text = os.environ.get(_VARIABLE, "")
    try:
        seconds = float(text or _DEFAULT)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _MOST:
        raise ConfigError([f"{_VARIABLE} is {text!r}; it must be seconds, above 0 and at most {_MOST:.0f}"])
    return seconds


class Asked(Generic[T]):
    """A call that runs in a thread of its own with a copy of the context. A thread cannot be ended: one that
    hangs is left behind, and does not hinder the end of the process."""

    def __init__(self, function: Callable[[], T], what: str) -> None:
        """`what` names it in the log."""
        self._function, self._what = function, what
        self._found: list[T] = []
        self._failed: list[BaseException] = []
        self._waited = 0.0
        container = ThreadContainer(what)  # nobody's: whoever stops should not wait for it
        self._thread = container.spawn(self._run, name=what)

    def answer(self, seconds: float) -> T:
        """What the function returns or raises; Hangs after `seconds`, and may be asked for again."""
        if not self._thread.join(min(seconds, _SOON)) and seconds > _SOON:
            _log.warning("%s takes long; it has %g s in all", self._what, seconds)
            self._thread.join(seconds - _SOON)
        self._waited += seconds
        if self._failed:
            raise self._failed[0]
        if not self._found:
            raise Hangs(f"it has not returned within {self._waited:.4g} s{_where(self._what)}")
        return self._found[0]

    def _run(self, _stop: threading.Event) -> None:
        try:
            self._found.append(self._function())
        except BaseException as error:
            self._failed.append(error)


def within(seconds: float, function: Callable[[], T], what: str) -> T:
    """What `function` returns or raises, in a thread of its own; Hangs after `seconds`."""
    return Asked(function, what).answer(seconds)


def _where(name: str) -> str:
    """``, last seen in acme.py, line 7, in connect``: the innermost frame of the thread of this name."""
    ident = next((thread.ident for thread in threading.enumerate() if thread.name == name), None)
    frame = sys._current_frames().get(ident) if ident is not None else None
    if frame is None:
        return ""
    last = traceback.extract_stack(frame)[-1]
    return f", last seen in {last.filename}, line {last.lineno}, in {last.name}"
