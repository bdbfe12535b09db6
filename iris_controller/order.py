"""Order: workers from the least loaded on, where most that are taken are put back far behind."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

__all__ = ["Entry", "Order"]

Entry = tuple[float, str]


class Order:
    """A priority queue in two parts: what was there is sorted, what came since is a heap. A worker that got a
    task goes behind the others, where a heap adds it at once; in one heap it would sink past all of them."""

    __slots__ = ("_recent", "_sorted")

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._sorted = sorted(entries, reverse=True)
        self._recent: list[Entry] = []

    def __len__(self) -> int:
        return len(self._sorted) + len(self._recent)

    def first(self) -> Entry | None:
        """The lowest; None if there is none."""
        ahead, recent = self._sorted, self._recent
        if not ahead:
            if not recent:
                return None
            recent.sort(reverse=True)
            self._sorted, self._recent = ahead, recent = recent, ahead
        return recent[0] if recent and recent[0] < ahead[-1] else ahead[-1]

    def push(self, entry: Entry) -> None:
        heapq.heappush(self._recent, entry)

    def pop(self) -> Entry | None:
        """Take out the first; returns the next one."""
        ahead, recent = self._sorted, self._recent
        if recent and not (ahead and ahead[-1] <= recent[0]):
            heapq.heappop(recent)
        else:
            ahead.pop()
        return self.first()

    def replace(self, first: Entry, entry: Entry) -> Entry | None:
        """Put `entry` in the place of the `first`; returns the next one."""
        ahead, recent = self._sorted, self._recent
        if ahead and ahead[-1] is first:
            ahead.pop()
            heapq.heappush(recent, entry)
        else:
            heapq.heapreplace(recent, entry)
        if ahead and ahead[-1] <= recent[0]:
            return ahead[-1]
        return self.first()
