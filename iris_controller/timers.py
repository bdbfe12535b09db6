"""When the next row is due: a heap with at most a few entries a row, checked again when they come up."""

from __future__ import annotations

import heapq

from iris_controller.rows import Row
from iris_controller.transitions.timeouts import deadline_of

__all__ = ["Due", "Timers"]

Due = tuple[type[Row], str]


class Timers:
    """Deadlines of committed rows. An entry that comes too early is put back by `arm` on its row."""

    def __init__(self, grace: float) -> None:
        """`grace`: seconds after which a silent worker is due."""
        self._grace = grace
        self._heap: list[tuple[float, int, Due]] = []
        self._armed: dict[Due, float] = {}
        self._count = 0

    def arm(self, row: Row) -> None:
        """See to it that the row comes up when it is due, or earlier: a deadline that moves away, such as
        a lease's, costs nothing until then."""
        when = deadline_of(row, self._grace)
        if when is not None:
            self._arm((type(row), row.key), when)

    def pop(self, mono: float) -> list[Due]:
        """What is, or was once, due by now; each is to be armed again by the caller."""
        due = []
        while self._heap and self._heap[0][0] <= mono:
            when, _, what = heapq.heappop(self._heap)
            if self._armed.get(what) == when:
                del self._armed[what]
                due.append(what)
        return due

    def next(self) -> float | None:
        return self._heap[0][0] if self._heap else None

    def _arm(self, what: Due, when: float) -> None:
        armed = self._armed.get(what)
        if armed is not None and armed <= when:
            return
        self._armed[what] = when
        self._count += 1
        heapq.heappush(self._heap, (when, self._count, what))
