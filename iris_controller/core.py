"""Core: what the services share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar

from iris_api.errors import InvalidSpec, Refused
from iris_controller.bundles import BundleStore
from iris_controller.clock import Now
from iris_controller.logs import LogStore
from iris_controller.loop import ControlLoop
from iris_controller.polls import Polls
from iris_controller.reasons import Reasons
from iris_controller.rows import Job
from iris_controller.state import State

__all__ = ["Core", "checked", "seconds"]

T = TypeVar("T")


class Core:
    """The parts of one controller. `disk` is for file work of the services."""

    def __init__(
        self, name: str, loop: ControlLoop, polls: Polls, logs: LogStore, bundles: BundleStore, disk: Executor
    ) -> None:
        self.name = name
        self.loop = loop
        self.polls = polls
        self.logs = logs
        self.bundles = bundles
        self.started = self.now().wall
        self._disk = disk

    @property
    def state(self) -> State:
        """Raises Refused once it is another controller's: what is here could be old."""
        if self.loop.ended:
            raise Refused("unavailable", self.loop.ended)
        return self.loop.state

    def now(self) -> Now:
        return self.loop.clock()

    def reasons(self) -> Reasons:
        return Reasons(self.state, self.loop.rules, self.now(), self.state.room)

    def job(self, job_id: str) -> Job:
        """Raises Refused naming it."""
        job = self.state.find(Job, job_id)
        if job is None:
            raise Refused("not_found", f"there is no job {job_id!r}")
        return job

    async def on_disk(self, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, work, *args)


class checked:
    """What a client gave is not allowed: tell it what is."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, InvalidSpec):
            raise Refused("invalid_argument", str(error)) from error


def seconds(hold_ms: int, most: float) -> float:
    """How long to hold an answer, in bounds."""
    return min(most, max(0, hold_ms) / 1000)
