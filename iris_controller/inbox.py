"""Inbox: the commands that wait for a turn, and how many of them a turn carries out.

A turn ends soon, however much waits: else a submit would wait for the reports of a thousand workers. So
there are two lanes, each with its share of every turn, and neither can starve the other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

from attrs import frozen

from iris_api.errors import Refused
from iris_controller.clock import Now
from iris_controller.state import Draft
from iris_controller.step import Command, Outcome, apply

__all__ = ["Batch", "Inbox", "resolve"]

_CALLS: Final = 300  # rows that the calls of one turn write, but for the last of them
_REPORTS: Final = 250  # rows that the reports of one turn write, but for the last of them
_BACKLOG: Final = 8_000  # attempts in waiting reports before nothing more is handed out that brings others

Batch = list[tuple[asyncio.Future[Any], Outcome]]


@frozen
class _Waiting:
    command: Command
    future: asyncio.Future[Any]
    attempts: int


class Inbox:
    """For the event loop that the commands come from."""

    def __init__(self) -> None:
        self._calls: deque[_Waiting] = deque()
        self._reports: deque[_Waiting] = deque()
        self._attempts = 0  # in the reports

    def __bool__(self) -> bool:
        return bool(self._calls or self._reports)

    @property
    def behind(self) -> bool:
        """Do so many reports wait that workers might give up on the answers?"""
        return self._attempts > _BACKLOG

    def put(self, command: Command, report: int | None) -> asyncio.Future[Any]:
        """`report`: how many attempts a worker reports of; None: it is no report, and somebody waits."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        (self._calls if report is None else self._reports).append(_Waiting(command, future, report or 0))
        self._attempts += report or 0
        return future

    def carry_out(self, draft: Draft, now: Now, batch: Batch) -> None:
        """Run on `draft` what this turn has room for, in the order of its coming, and add it to `batch`."""
        for lane, share in ((self._calls, _CALLS), (self._reports, _REPORTS)):
            full = draft.mark() + share
            while lane and draft.mark() < full:
                waiting = lane.popleft()
                self._attempts -= waiting.attempts
                if lane is self._reports and waiting.future.done():
                    continue  # its worker has gone, or tells more in a later one
                (outcome,) = apply(draft, [waiting.command], now)
                batch.append((waiting.future, outcome))

    def refuse(self, error: Exception) -> None:
        """Answer all that waits so."""
        outcome = Outcome(error=error)
        resolve([(waiting.future, outcome) for waiting in (*self._calls, *self._reports)])
        self._calls.clear()
        self._reports.clear()
        self._attempts = 0


def resolve(batch: Batch) -> None:
    """Answer each; who has gone is not told. A command may return a refusal to have its changes stay."""
    for future, outcome in batch:
        if future.done():
            continue
        error = outcome.value if isinstance(outcome.value, Refused) else outcome.error
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(outcome.value)
