"""Records that are logged inside a task become lines of its log.

No handler is put on the root logger and no level is changed: that would silence `logging.basicConfig` and
`logging.lastResort`, and show others' INFO records on the console. Instead `Logger.isEnabledFor` and
`Logger.callHandlers` look at the context. Inside a task they let INFO and above through to the task's log,
of any logger that is not set to a higher level itself, and to the handlers what would have come there anyhow.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from iris_backends.local._current import current_output, in_task
from iris_backends.local._patch import Patch

__all__ = ["LOGGING", "TaskHandler"]

_OWN: Final = "iris.container."  # loggers that stand for a task's own output
_FORMAT: Final = logging.Formatter("%(levelname)s %(name)s: %(message)s")
_PLAIN: Final = logging.Formatter("%(message)s")
_busy = threading.local()

_IsEnabled = Callable[[logging.Logger, int], bool]
_CallHandlers = Callable[[logging.Logger, logging.LogRecord], None]


class TaskHandler(logging.Handler):
    """Hands a record to the log of the task that this context belongs to, a line each."""

    def format(self, record: logging.LogRecord) -> str:
        return (_PLAIN if record.name.startswith(_OWN) else _FORMAT).format(record)

    def emit(self, record: logging.LogRecord) -> None:
        output = current_output()
        if output is None or getattr(_busy, "flag", False):  # a sink that logs
            return
        _busy.flag = True
        try:
            output.write("log", self.format(record).split("\n"), record.created)
        except Exception:
            self.handleError(record)
        finally:
            _busy.flag = False


def _enabling(original: _IsEnabled) -> _IsEnabled:
    def is_enabled_for(logger: logging.Logger, level: int) -> bool:
        return original(logger, level) or (in_task() and _concerns_the_task(logger, level))

    return is_enabled_for


def _calling(original: _CallHandlers) -> _CallHandlers:
    def call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
        if in_task():
            _handler.handle(record)
            if record.levelno < logger.getEffectiveLevel():
                return
        original(logger, record)

    return call_handlers


def _concerns_the_task(logger: logging.Logger, level: int) -> bool:
    if level < logging.INFO or logger.disabled or logger.manager.disable >= level:
        return False
    return level >= _own_level(logger)


def _own_level(logger: logging.Logger) -> int:
    """The level set on it or on a logger above it, the root left out."""
    found: logging.Logger | None = logger
    while found is not None and found.parent is not None:
        if found.level:
            return found.level
        found = found.parent
    return logging.NOTSET


_handler = TaskHandler()

LOGGING = Patch(logging.Logger, {"isEnabledFor": _enabling, "callHandlers": _calling})
