"""Which thread task this context belongs to."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Iterable

from iris_api.platform import LogSink

__all__ = ["Output", "current_output", "in_task", "plain", "set_output"]


class Output:
    """The log sink of one attempt, until the attempt has ended: what runs on writes nowhere."""

    def __init__(self, sink: LogSink) -> None:
        self._sink = sink
        self._lock = threading.RLock()  # reentrant: a sink may log
        self._open = True

    def write(self, source: str, lines: Iterable[str], timestamp: float | None = None) -> None:
        """`timestamp` in Unix seconds; now, if there is none."""
        micros = int((time.time() if timestamp is None else timestamp) * 1_000_000)
        with self._lock:
            if self._open:
                for line in lines:
                    self._sink.write(source, plain(line), micros)

    def close(self) -> None:
        with self._lock:
            self._open = False


_output: contextvars.ContextVar[Output | None] = contextvars.ContextVar("iris_task_output", default=None)


def current_output() -> Output | None:
    return _output.get()


def set_output(output: Output) -> None:
    _output.set(output)


def in_task() -> bool:
    return _output.get() is not None


def plain(text: str) -> str:
    """Text that UTF-8 can carry: a lone surrogate, as from a file name of other bytes, becomes "?"."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
