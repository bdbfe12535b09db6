"""Objects that the tests serve."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from typing import Any

from iris_api.job_info import get_job_info
from iris_api.threads import get_thread_registry


class OddError(Exception):
    """Pickles, and cannot be unpickled: its __init__ wants another number of arguments."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one}-{two}")


class Stubborn(Exception):
    """Cannot be pickled."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.lock = threading.Lock()


class Calculator:
    """`release` lets the waiting methods go on."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.release = threading.Event()
        self.entered = threading.Semaphore(0)
        self.at_once = 0

    def add(self, a: Any, b: Any) -> Any:
        self.calls.append("add")
        return a + b

    async def add_later(self, a: int, b: int) -> int:
        await asyncio.sleep(0)
        return a + b

    async def never(self) -> None:
        await asyncio.Event().wait()

    def echo(self, value: Any) -> Any:
        return value

    def fill(self, array: Any, value: Any) -> Any:
        array[:] = value
        return array

    def boom(self, message: str) -> None:
        self.calls.append("boom")
        raise KeyError(message)

    def odd(self) -> None:
        raise OddError("a", "b")

    def stubborn(self) -> None:
        raise Stubborn("cannot travel")

    def quit(self) -> None:
        raise SystemExit(3)

    def lock(self) -> Any:
        return {"inner": threading.Lock()}

    def wait(self) -> int:
        self.at_once += 1
        self.entered.release()
        assert self.release.wait(20)
        return self.at_once

    def pid(self) -> int:
        return os.getpid()

    def job(self) -> str | None:
        info = get_job_info()
        return str(info.job_id) if info is not None else None

    async def job_later(self) -> str | None:
        return self.job()

    def job_of_thread(self) -> str | None:
        found: list[str | None] = []
        get_thread_registry().container.spawn(lambda _: found.append(self.job()), "inner").join(5)
        return found[0]

    def job_of_executor(self) -> str | None:
        with get_thread_registry().container.spawn_executor(1, "inner") as executor:
            return executor.submit(self.job).result(5)

    async def job_of_to_thread(self) -> str | None:
        return await asyncio.to_thread(self.job)

    def _private(self) -> int:
        return 1

    not_callable = 5


class Relay:
    """Calls another actor from within a call."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call

    def forward(self) -> Any:
        return self._call()
