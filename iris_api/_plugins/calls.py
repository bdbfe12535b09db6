"""Calls of a running plugin's methods: named when they fail, when they return nonsense, when they hang."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from iris_api.errors import IrisError, PluginError

__all__ = ["PluginCalls", "blame", "blame_of", "blamed_text"]

T = TypeVar("T")
_NOTE: Final = "raised by iris plugin "
PATIENCE: Final = 30.0  # seconds that a method which returns at once may take


class PluginCalls:
    """The calls that the core makes of one plugin's object. Its methods are called as they are: nothing is
    put around the object. Safe from several threads."""

    def __init__(self, plugin: str = "", *, clock: Callable[[], float] = time.monotonic) -> None:
        """`plugin` as messages name it, such as ``'acme' (iris-acme 1.0)``; empty: of no plugin."""
        self._plugin = plugin
        self._clock = clock
        self._lock = threading.Lock()
        self._running: dict[object, tuple[str, float]] = {}

    @contextmanager
    def during(self, call: str) -> Iterator[None]:
        """While this block runs, the plugin is in `call`, such as ``list()``; its errors say so in a note."""
        key = object()
        with self._lock:
            self._running[key] = call, self._clock()
        try:
            with blame(self._plugin, call):
                yield
        finally:
            with self._lock:
                del self._running[key]

    def checked(self, value: object, contract: type[T], call: str) -> T:
        """`value`, which `call` has returned. Raises PluginError if it is something else."""
        if isinstance(value, contract):
            return value
        name, returned = contract.__name__, type(value).__name__
        raise PluginError(f"{self._named()}: {call} must return a {name}, and returned {returned}")

    def overdue(self, patience: float = PATIENCE) -> list[str]:
        """A sentence for each call that has not returned for longer than `patience` seconds."""
        with self._lock:
            running = list(self._running.values())
        late = [(call, self._clock() - since) for call, since in running]
        return [
            f"{self._named()} has not returned from {call} for {seconds:.0f} s"
            for call, seconds in late
            if seconds > patience
        ]

    def _named(self) -> str:
        return f"plugin {self._plugin}" if self._plugin else "the plugin"


@contextmanager
def blame(plugin: str, call: str) -> Iterator[None]:
    """Name a plugin in a note on whatever comes out of the block; the exception stays itself."""
    try:
        yield
    except Exception as error:
        note = f"{_NOTE}{plugin} in {call}"
        if plugin and note not in getattr(error, "__notes__", ()):
            error.add_note(note)
        raise


def blame_of(error: BaseException) -> str:
    """``raised by iris plugin 'acme' (iris-acme 1.0) in create()``; empty where no plugin is to blame."""
    return next((note for note in getattr(error, "__notes__", ()) if note.startswith(_NOTE)), "")


def blamed_text(error: BaseException) -> str:
    """The error's sentence, with the plugin that it came from, where one is noted."""
    known = isinstance(error, IrisError | OSError)
    text = str(error) if known else f"{type(error).__name__}: {error}"
    blame = blame_of(error)
    return f"{text} ({blame})" if blame else text
