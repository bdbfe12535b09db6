"""How a container ended, from what the daemon and the runner of a call tell of it. Pure."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from typing import Any, Final

from iris_api.platform import Exit, ExitKind
from iris_api.resources import format_memory
from iris_backends.docker.folder import Order

__all__ = ["exit_of"]

_SIGNALED: Final = 128  # the daemon tells a signal as a shell does
_NOT_RUN: Final = (126, 127)
_NO_EXEC: Final = re.compile(r"\[FATAL tini \(\d+\)\] exec (?P<what>.*) failed: (?P<why>.*)")
_KILLED: Final = _SIGNALED + signal.SIGKILL


def exit_of(
    state: Mapping[str, Any],
    order: Order,
    note: tuple[ExitKind | None, str],
    peak: int | None,
    last_line: str,
    *,
    stopped: bool,
    restarted: bool = False,
) -> Exit:
    """`state` as `docker inspect` shows it. `note`: what the runner of a call has left. `peak`: the most
    memory that was seen, in bytes. `last_line` of stderr. `restarted`: it ended when another daemon was
    started, which stops what it finds running.

    The daemon says "out of memory" also where only a child was killed for it: it is the end of the task if
    its first process was killed.
    """
    code = int(state["ExitCode"])
    if restarted and code and not stopped:
        told = f"the Docker daemon was restarted, which has ended it (exit code {code})"
        return Exit(kind=ExitKind.UNKNOWN, memory_peak=peak, message=told)
    if code in _NOT_RUN and (why := _NO_EXEC.fullmatch(last_line)):
        return _not_run(order, code, why["what"], why["why"])
    if state.get("OOMKilled") and code == _KILLED:
        return _out_of_memory(order.memory, peak, stopped=stopped)
    number = code - _SIGNALED
    kind, message = note
    if kind is not None and code:
        return Exit(kind=kind, code=code, memory_peak=peak, message=message, stopped=stopped)
    if number in signal.valid_signals():
        return Exit(kind=ExitKind.SIGNALED, signal=number, memory_peak=peak, stopped=stopped)
    told = "one of its processes was killed for memory" if state.get("OOMKilled") and code else ""
    return Exit(kind=ExitKind.EXITED, code=code, memory_peak=peak, message=told, stopped=stopped)


def _not_run(order: Order, code: int, what: str, why: str) -> Exit:
    """A program that is not in the image is the job's fault, an interpreter that is not there the image's."""
    if order.is_call:
        told = f"image {order.image} cannot run a call: {what}: {why}"
        return Exit(kind=ExitKind.ENVIRONMENT, code=code, message=told, of_job=True)
    return Exit(kind=ExitKind.EXITED, code=code, message=f"cannot run {what}: {why}")


def _out_of_memory(limit: int, peak: int | None, *, stopped: bool) -> Exit:
    """What was killed at its limit has had all of it."""
    most = max(limit, peak or 0)
    return Exit(
        kind=ExitKind.OUT_OF_MEMORY,
        signal=signal.SIGKILL,
        memory_peak=most or None,
        message=f"task ran out of memory: its limit is {format_memory(limit)}"
        if limit
        else "task ran out of memory, of which the machine has no more",
        stopped=stopped,
    )
