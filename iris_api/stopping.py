"""Whether the task that this code belongs to has been asked to stop."""

from __future__ import annotations

import contextvars
import threading

__all__ = ["set_stop_event", "stop_requested"]

_stop: contextvars.ContextVar[threading.Event | None] = contextvars.ContextVar("iris_stop", default=None)


def stop_requested() -> bool:
    """True once a task that runs as a thread shall end: return soon, or an exception ends it.

    In a task that runs as a process SIGTERM says that instead, and this is False. Does not block.
    """
    event = _stop.get()
    return event is not None and event.is_set()


def set_stop_event(event: threading.Event) -> None:
    """For a runtime: the event of the task whose context this is."""
    _stop.set(event)
