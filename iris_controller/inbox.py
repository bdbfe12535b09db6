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

_SHARE: Final = 200  # rows that the commands of one lane write in a turn, but for the last command's

Batch = list[tuple[asyncio.Future[Any], Outcome]]


@frozen
class _Waiting:
    command: Command
    future: asyncio.Future[Any]


class Inbox:
    """For the event loop that the commands come from."""

    def __init__(self) -> None:
        self._calls: deque[_Waiting] = deque()
        self._reports: deque[_Waiting] = deque()

    def __bool__(self) -> bool:
        return bool(self._calls or self._reports)

    def put(self, command: Command, *, report: bool) -> asyncio.Future[Any]:
        """`report`: what a worker saw, of which there may be much at once; else somebody asks for it."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        (self._reports if report else self._calls).append(_Waiting(command, future))
        return future

    def carry_out(self, draft: Draft, now: Now, batch: Batch) -> None:
        """Run on `draft` what this turn has room for, in the order of its coming, and add it to `batch`."""
        for lane in (self._calls, self._reports):
            full = draft.mark() + _SHARE
            while lane and draft.mark() < full:
                waiting = lane.popleft()
                (outcome,) = apply(draft, [waiting.command], now)
                batch.append((waiting.future, outcome))

    def refuse(self, error: Exception) -> None:
        """Answer all that waits so."""
        outcome = Outcome(error=error)
        resolve([(waiting.future, outcome) for waiting in (*self._calls, *self._reports)])
        self._calls.clear()
        self._reports.clear()


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
