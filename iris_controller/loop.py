"""The control loop: takes the commands that wait, decides, stores, takes over, answers. One turn at a time.

It runs on the server's event loop and is supervised: a turn that fails is logged, shown by `/health` and
tried again after a pause. Whatever a turn did not store has not happened; where that could not be told, the
next turn finds out first.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, Final, TypeVar

from iris_api.errors import Refused
from iris_controller.clock import Clock, Now, system_clock
from iris_controller.inbox import Batch, Inbox, resolve
from iris_controller.rules import Rules
from iris_controller.state import Changes, Draft, State
from iris_controller.step import Outcome, apply, expire_due, forgive, place_all
from iris_controller.store.base import StateLost, Store
from iris_controller.timers import Due, Timers

__all__ = ["ControlLoop"]

_log = logging.getLogger("iris.controller")
_STUCK: Final = 10.0  # seconds that a command may wait for a turn before /health says so
_LATE: Final = 5.0  # seconds by which a turn may be late before silence is no proof any more, at most
_PAUSES: Final = (0.1, 0.3, 1.0, 3.0, 5.0)  # seconds after the first, second... failure in a row
_PATIENCE: Final = 30.0  # seconds that the store gets for one call
_PLACED: Final = 60  # tasks in one turn: others are answered in between

T = TypeVar("T")


class ControlLoop:
    """The only writer of `state`. All methods are for the event loop that `start` was called on, but
    `trouble`, which is for any thread."""

    def __init__(
        self,
        state: State,
        store: Store,
        *,
        rules: Rules,
        executor: Executor,
        merged: Callable[[Changes], None],
        lost: Callable[[StateLost], None] | None = None,
        clock: Clock = system_clock,
    ) -> None:
        """`merged` is called with what was stored; `lost`, once, when the state is not ours any more:
        from then on every command is refused."""
        self.state = state
        self.clock = clock
        self.rules = rules
        self._store = store
        self._executor = executor
        self._merged = merged
        self._lost = lost
        self.ended = ""  # why this controller has no state any more
        self._unsettled: tuple[Draft, Changes] | None = None
        self._stored = self.clock().mono  # when the store was last heard of
        self._deaf = False  # has a turn failed since which nobody could be heard?
        self._timers = Timers(rules.grace)
        self._inbox = Inbox()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.event_loop: asyncio.AbstractEventLoop | None = None
        self._closing = False
        self._failures = 0
        self._trouble = "the control loop has not started yet"
        self._waiting_since: float | None = None
        self._woken_by: float | None = None  # when (monotonic) the last sleep should have ended
        self._again: float | None = None  # when a turn may place more though nothing has come

    def start(self) -> None:
        """Start the loop on the running event loop; further calls do nothing."""
        if self._task is None:
            now = self.clock()
            for row in self.state.everything():
                self._timers.arm(row)
            self._trouble = f"the control loop has not made its first turn since {now.wall:.0f}"
            self.event_loop = asyncio.get_running_loop()
            self._task = self.event_loop.create_task(self._supervise())

    async def run(self, command: Callable[[Draft, Now], T], *, report: int | None = None) -> T:
        """Have a command carried out; returns its value once that is stored, or raises what it raised.
        `report`: it is what a worker saw of so many attempts, and comes in a lane of its own."""
        if self._closing:
            raise Refused("unavailable", self._trouble or "the controller is stopping")
        future = self._inbox.put(command, report)
        if self._waiting_since is None:
            self._waiting_since = self.clock().mono
        self._wake.set()
        value: T = await future
        return value

    async def close(self) -> None:
        """Carry out what was accepted, then end. Idempotent."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._refuse([], Refused("unavailable", "the controller is stopping"))

    def trouble(self) -> str:
        """Why the loop does not do its work; empty while it does."""
        since, mono = self._waiting_since, self.clock().mono
        if self._trouble:
            return self._trouble
        if since is not None and mono - since > _STUCK:
            return f"the control loop has made no turn for {mono - since:.0f} s though commands wait"
        if self._task is not None and self._task.done() and not self._closing:
            return "the control loop has ended"
        return ""

    async def _supervise(self) -> None:
        while True:
            try:
                await self._work()
                return
            except StateLost as error:
                self._note(error)
                self._give_up(error)
                return
            except Exception as error:
                self._note(error)
                if self._closing:
                    return
                await asyncio.sleep(_PAUSES[min(self._failures, len(_PAUSES)) - 1])

    def _note(self, error: Exception) -> None:
        self._failures += 1
        times = "once" if self._failures == 1 else f"{self._failures} times in a row"
        self._trouble = f"the control loop has failed {times}, last of {type(error).__name__}: {error}"
        _log.error("%s", self._trouble, exc_info=error)

    def _give_up(self, error: StateLost) -> None:
        self._closing = True
        self.ended = self._trouble = f"this controller has ended: {error}"
        self._refuse([], Refused("unavailable", self._trouble))
        if self._lost is not None:
            self._lost(error)

    async def _work(self) -> None:
        """Turns, until closed. The first comes at once and shows that the loop works."""
        while True:
            self._wake.clear()
            await self._turn()
            self._failures, self._trouble = 0, ""
            if self._inbox:
                await asyncio.sleep(0)  # a store that does not block has let nobody else come to work
            elif self._closing:
                return
            else:
                await self._sleep()

    async def _sleep(self) -> None:
        """Until there is a command, something is due, or a third of a worker's grace is over: so a process
        that was suspended for as long as would cost a worker its grace has overslept."""
        dues = (when for when in (self._timers.next(), self._again) if when is not None)
        due, mono, idle = min(dues, default=None), self.clock().mono, self.rules.grace / 3
        if self._store.check_every:
            idle = min(idle, self._store.check_every)
        pause = idle if due is None else max(0.0, min(idle, due - mono))
        self._woken_by = mono + pause
        alarm = asyncio.get_running_loop().call_later(pause, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            alarm.cancel()

    async def _turn(self) -> None:
        batch, now = Batch(), self.clock()
        late = self._lateness(now)
        due = self._timers.pop(now.mono)
        try:
            await self._settle()
            draft = Draft(self.state)
            if late > min(_LATE, self.rules.grace / 3) or self._deaf:
                forgive(draft, now)
            self._inbox.carry_out(draft, now, batch)
            troubles = [*expire_due(draft, due, self.rules, now), self._place(draft, now)]
            changes = draft.changes()
            await self._commit(draft, changes)
        except BaseException as error:
            self._deaf = True
            self._rearm(due)
            self._refuse(batch, Refused("unavailable", f"not done: {type(error).__name__}: {error}"))
            raise
        self._deaf = False
        self._take_over(draft, changes, due)
        resolve(batch)
        self._waiting_since = now.mono if self._inbox else None
        for trouble in troubles:
            if trouble.error is not None:
                raise trouble.error

    def _lateness(self, now: Now) -> float:
        expected = [when for when in (self._timers.next(), self._woken_by) if when is not None]
        self._woken_by = None
        return max((now.mono - when for when in expected), default=0.0)

    def _place(self, draft: Draft, now: Now) -> Outcome:
        """Placing that fails must not undo what the commands did. While workers' reports pile up nothing is
        placed: those of more tasks would come on top."""
        if self._inbox.behind:
            return Outcome()
        command = functools.partial(place_all, rules=self.rules, limit=_PLACED)
        outcome = apply(draft, [lambda draft, now: command(draft, now=now)], now)[0]
        self._again = None if outcome.value is None else now.mono + outcome.value
        return outcome

    async def _commit(self, draft: Draft, changes: Changes) -> None:
        if not changes:
            await self._check()
            return
        self._unsettled = draft, changes
        await self._call(self._store.commit, changes)
        self._unsettled = None

    async def _check(self) -> None:
        """Hear of the store though there is nothing to store: somebody may have taken it."""
        every = self._store.check_every
        if every is not None and self.clock().mono - self._stored >= every:
            self._unsettled = Draft(self.state), Changes()
            await self._call(self._store.check)
            self._unsettled = None

    async def _settle(self) -> None:
        """If an earlier turn did not get to know whether it was stored, do so now: what was is taken over,
        although its callers were refused. They ask again, and are told what they would have been."""
        if self._unsettled is None:
            return
        draft, changes = self._unsettled
        stored = await self._call(self._store.settle)
        self._unsettled = None
        if stored:
            self._take_over(draft, changes, ())

    async def _call(self, work: Callable[..., T], *args: Any) -> T:
        done = await self._off_the_loop(work, *args) if self._store.blocking else work(*args)
        self._stored = self.clock().mono
        return done

    async def _off_the_loop(self, work: Callable[..., T], *args: Any) -> T:
        loop = asyncio.get_running_loop()
        alarm = loop.call_later(_PATIENCE, self._store.interrupt)
        try:
            return await loop.run_in_executor(self._executor, functools.partial(work, *args))
        finally:
            alarm.cancel()

    def _take_over(self, draft: Draft, changes: Changes, due: Sequence[Due]) -> None:
        self.state.merge(draft)
        for row in changes.touched:
            self._timers.arm(row)
        self._rearm(due)
        self._merged(changes)

    def _rearm(self, due: Sequence[Due]) -> None:
        for kind, key in due:
            row = self.state.find_any(kind, key)
            if row is not None:
                self._timers.arm(row)

    def _refuse(self, batch: Batch, error: Exception) -> None:
        """Answer all that was taken and all that waits so."""
        resolve([(future, Outcome(error=error)) for future, _ in batch])
        self._inbox.refuse(error)
        self._waiting_since = None
