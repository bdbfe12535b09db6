"""Retries: one thread for the asynchronous calls of a name that wait, for somebody or for a pause to end."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from iris_actor.attempt import Attempt
from iris_actor.errors import ActorUnavailable
from iris_actor.waiting import Seen, wait_for_endpoints
from iris_api.threads import ThreadContainer, get_thread_registry

if TYPE_CHECKING:
    from iris_actor.caller import Caller

__all__ = ["Retries"]

_LOOK: Final = 0.5  # seconds until calls that came later get their turn


class Retries:
    """The thread starts with the first call that waits and ends with the last."""

    def __init__(self, caller: Caller, threads: ThreadContainer | None) -> None:
        self._caller = caller
        self._threads = threads
        self._lock = threading.Lock()
        self._waiting: list[Attempt] = []
        self._running = False

    def add(self, attempt: Attempt) -> None:
        with self._lock:
            self._waiting.append(attempt)
            if self._running:
                return
            self._running = True
        threads = self._threads or get_thread_registry().container
        try:
            threads.spawn(self._work, f"retry-{self._caller.name}")
        except RuntimeError as error:  # the container is stopped
            self._fail_all(str(error))

    def _work(self, stop: threading.Event) -> None:
        while attempts := self._take():
            if stop.wait(max(min(a.not_before for a in attempts) - time.monotonic(), 0)):
                break
            self._turn(attempts, stop)
        else:
            return
        self._put_back(attempts)
        self._fail_all("this process is stopping its threads")

    def _turn(self, attempts: list[Attempt], stop: threading.Event) -> None:
        seen = Seen(self._caller.name)
        first = min(a.deadline for a in attempts)
        until = min(first, time.monotonic() + _LOOK)
        try:
            wait_for_endpoints(self._caller.resolver, seen, bool, until, stop, ask_by=first)
        except Exception as error:  # of the resolver: it refuses for good, or is broken
            for attempt in attempts:
                attempt.set(None, error)
            return
        now = time.monotonic()
        for attempt in attempts:
            if now >= attempt.deadline:
                attempt.set(None, self._caller.late(attempt, seen))
            elif seen.endpoints and now >= attempt.not_before:
                self._caller.launch(attempt, patience=attempt.deadline - now)
            else:
                self._put_back([attempt])

    def _take(self) -> list[Attempt]:
        with self._lock:
            attempts, self._waiting = self._waiting, []
            self._running = bool(attempts)
            return attempts

    def _put_back(self, attempts: list[Attempt]) -> None:
        with self._lock:
            self._waiting += attempts

    def _fail_all(self, why: str) -> None:
        for attempt in self._take():
            what = f"{self._caller.name}.{attempt.method}"
            attempt.set(None, ActorUnavailable(f"{what}: {why}; last seen: {attempt.trouble}"))
        with self._lock:
            self._running = False
