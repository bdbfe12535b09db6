"""Queues of waiting tasks, in the order in which their tasks are to be placed."""

from __future__ import annotations

import functools
import heapq
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from iris_controller.rows import QueueKey, Task
from iris_controller.view import Index, View

__all__ = ["Queue", "Queues"]

_Own = tuple[bool, int, int]
_Line = tuple[int, int, str]


class Queue:
    """The waiting tasks of one queue, of which `task` is next; None: there is no further one."""

    def __init__(self, view: View, key: QueueKey) -> None:
        self.key, self.demand = key, key.demand
        self.chunk = 1  # tasks to look at together: more, the more found room
        self._rest: Iterator[Task] = map(functools.partial(view.get, Task), view.walk(Index.QUEUE, key))
        self.task: Task | None = next(self._rest, None)

    def take(self, most: int, before: int = sys.maxsize) -> list[Task]:
        """The next tasks, up to `most`, of which all but the first are of jobs submitted `before`."""
        taken: list[Task] = []
        task = self.task
        while task is not None and len(taken) < most and (not taken or task.order < before):
            taken.append(task)
            task = next(self._rest, None)
        self.task = task
        return taken

    def give_back(self, tasks: list[Task]) -> None:
        """These found no room, and are next again."""
        behind = tasks[1:] if self.task is None else [*tasks[1:], self.task]
        self.task, self._rest = tasks[0], chain(behind, self._rest)

    @property
    def line(self) -> _Line:
        return -self.demand.priority, -self.demand.depth, self.demand.user

    @property
    def rank(self) -> _Own:
        """In its line."""
        assert self.task is not None
        return not self.key.retried, self.task.order, self.task.index


class Queues:
    """Those that have a task: by priority; children before roots; users in the order of how little they have
    `running`, which may grow meanwhile; retries before first attempts; then in the order of submission.

    Those of one user, priority and depth are a line, whose order does not change with what is running; the
    lines are in order by the first of each. An entry of a line that has another first by now is passed over.
    """

    def __init__(self, queues: Iterable[Queue], running: Mapping[str, int]) -> None:
        self._running = running
        self._lines: dict[_Line, list[tuple[_Own, Queue]]] = {}
        self._heads: list[tuple[int, int, int, _Own, str]] = []
        for queue in queues:
            self.push(queue)

    def __iter__(self) -> Iterator[Queue]:
        """In no order."""
        return (queue for line in self._lines.values() for _, queue in line)

    def __bool__(self) -> bool:
        return any(self._lines.values())

    def push(self, queue: Queue) -> None:
        """Have it among them, if it has a task."""
        if queue.task is None:
            return
        line = self._lines.setdefault(queue.line, [])
        heapq.heappush(line, (queue.rank, queue))
        if line[0][1] is queue:
            self._enter(queue.line)

    def first(self) -> Queue | None:
        """The one whose task is next."""
        heads = self._heads
        while heads:
            priority, depth, running, rank, user = heads[0]
            line = self._lines[priority, depth, user]
            if not line or line[0][0] != rank:
                heapq.heappop(heads)
            elif running < (now := self._running[user]):
                heapq.heapreplace(heads, (priority, depth, now, rank, user))
            else:
                return line[0][1]
        return None

    def pop(self) -> Queue:
        """Take out the first. Raises IndexError if there is none."""
        queue = self.first()
        if queue is None:
            raise IndexError("no queue is left")
        heapq.heappop(self._heads)
        line = self._lines[queue.line]
        heapq.heappop(line)
        if line:
            self._enter(queue.line)
        return queue

    def batch(self, queue: Queue, most: int) -> list[Task]:
        """The next tasks of a queue that was taken out, at least one, of which no other comes in between."""
        if queue.key.retried:
            return queue.take(1)
        other = self.first()
        if other is None:
            return queue.take(most)
        if other.demand.user != queue.demand.user:  # with each place the order of users may change
            return queue.take(1)
        if other.line != queue.line:
            return queue.take(most)
        assert other.task is not None
        return queue.take(most, before=other.task.order)

    def _enter(self, key: _Line) -> None:
        priority, depth, user = key
        entry = priority, depth, self._running[user], self._lines[key][0][0], user
        heapq.heappush(self._heads, entry)
