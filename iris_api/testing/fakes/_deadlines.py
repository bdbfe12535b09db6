"""Deadlines: tells which of many have passed."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Deadlines"]

T = TypeVar("T")


class Deadlines(Generic[T]):
    """`run`, on a thread of its own, calls `passed` with each item whose deadline (monotonic) comes before
    it is discarded."""

    def __init__(self, passed: Callable[[T], None]) -> None:
        self._passed = passed
        self._changed = threading.Condition()
        self._heap: list[tuple[float, int]] = []
        self._waiting: dict[int, T] = {}
        self._tickets = itertools.count()

    def add(self, deadline: float, item: T) -> int:
        """Returns the ticket to discard it by."""
        with self._changed:
            ticket = next(self._tickets)
            self._waiting[ticket] = item
            heapq.heappush(self._heap, (deadline, ticket))
            if self._heap[0][1] == ticket:
                self._changed.notify()
            return ticket

    def discard(self, ticket: int) -> None:
        with self._changed:
            self._waiting.pop(ticket, None)

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            for item in self._due(stop):
                self._passed(item)

    def wake(self) -> None:
        with self._changed:
            self._changed.notify()

    def _due(self, stop: threading.Event) -> list[T]:
        """Those that have passed; waits for the next one where there is none."""
        due: list[T] = []
        with self._changed:
            now = time.monotonic()
            while self._heap and (self._heap[0][0] <= now or self._heap[0][1] not in self._waiting):
                ticket = heapq.heappop(self._heap)[1]
                if ticket in self._waiting:
                    due.append(self._waiting.pop(ticket))
            if not due and not stop.is_set():
                self._changed.wait(self._heap[0][0] - now if self._heap else None)
        return due
