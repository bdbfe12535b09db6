"""Which waiting task goes to which worker. Pure: looks at rows, changes none.

Tasks of one shape are interchangeable, so a pass costs one look at the workers a shape, and a heap
operation a task that is placed; tasks that wait on are not looked at one by one.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from attrs import field, frozen

from iris_api.resources import ResourceSpec
from iris_controller.feasibility import fits, matches, never
from iris_controller.rows import PoolSpec, QueueKey, Shape, Task, Worker
from iris_controller.state import Index, View

__all__ = ["Assignment", "Plan", "healthy", "schedule"]

Rank = tuple[int, bool, int, int]


@frozen
class Assignment:
    task: Task
    worker: str


@frozen
class Plan:
    """`hopeless`: jobs whose tasks no pool can ever hold, with the reason."""

    assignments: tuple[Assignment, ...] = ()
    hopeless: tuple[tuple[str, str], ...] = field(default=())


def healthy(view: View) -> list[Worker]:
    return [worker for worker in view.rows(Worker) if not worker.lost]


def schedule(view: View, pools: tuple[PoolSpec, ...]) -> Plan:
    """Place what can be placed now: children before roots, retries before first attempts, then in the
    order of submission; each on the least loaded worker that has room. A task that does not fit now
    does not hold back those behind it."""
    queues: list[QueueKey] = view.keys(Index.QUEUE)
    if not queues:
        return Plan()
    room = _Room(view)
    heads = [head for queue in queues if (head := _next(view, queue, view.walk(Index.QUEUE, queue)))]
    heapq.heapify(heads)
    placed: list[Assignment] = []
    waiting: list[QueueKey] = []
    while heads:
        head = heapq.heappop(heads)
        worker = room.take(head.queue.demand.shape)
        if worker is None:
            waiting.append(head.queue)
            continue
        placed.append(Assignment(head.task, worker))
        if (following := _next(view, head.queue, head.rest)) is not None:
            heapq.heappush(heads, following)
    return Plan(tuple(placed), tuple(_hopeless(view, pools, waiting, room)))


@frozen(order=True)
class _Head:
    """The first task of a queue, and an iterator over those behind it."""

    rank: Rank
    task: Task = field(order=False)
    queue: QueueKey = field(order=False)
    rest: Iterator[str] = field(order=False)


def _next(view: View, queue: QueueKey, rest: Iterator[str]) -> _Head | None:
    for task_id in rest:
        task = view.get(Task, task_id)
        return _Head((-queue.demand.depth, not queue.retried, task.order, task.index), task, queue, rest)
    return None


def _hopeless(
    view: View, pools: tuple[PoolSpec, ...], waiting: list[QueueKey], room: _Room
) -> Iterator[tuple[str, str]]:
    for queue in waiting:
        if room.could_hold(queue.demand.shape):
            continue
        if reason := never(queue.demand.shape, pools, room.workers):
            jobs = dict.fromkeys(view.get(Task, task).job for task in view.walk(Index.QUEUE, queue))
            yield from ((job, reason) for job in jobs)


class _Free:
    """What a worker still has in this pass."""

    def __init__(self, worker: Worker, used: ResourceSpec, tasks: int) -> None:
        self.worker = worker
        self.cpu = worker.resources.cpu - used.cpu
        self.memory = worker.resources.memory - used.memory
        self.tasks = tasks

    def load(self) -> tuple[float, int, str]:
        total = self.worker.resources
        cpu = 1 - self.cpu / total.cpu if total.cpu else 0.0
        memory = 1 - self.memory / total.memory if total.memory else 0.0
        return round(max(cpu, memory), 6), self.tasks, self.worker.id

    def holds(self, wanted: ResourceSpec) -> bool:
        return fits(wanted, self.cpu, self.memory)

    def give(self, wanted: ResourceSpec) -> None:
        self.cpu -= wanted.cpu
        self.memory -= wanted.memory
        self.tasks += 1


class _Room:
    """The workers in this pass, by load for each shape that asks."""

    def __init__(self, view: View) -> None:
        self.workers = healthy(view)
        self._free = {
            worker.id: _Free(worker, view.used(worker.id), view.count(Index.HELD, worker.id))
            for worker in self.workers
        }
        self._by_load: dict[Shape, list[tuple[float, int, str]]] = {}

    def take(self, shape: Shape) -> str | None:
        """The least loaded worker that has room for one task of the shape, which it now holds."""
        heap = self._by_load.get(shape)
        if heap is None:
            heap = self._by_load[shape] = self._candidates(shape)
        while heap:
            entry = heap[0]
            free = self._free[entry[2]]
            if not free.holds(shape.resources):
                heapq.heappop(heap)
            elif entry != (load := free.load()):  # another shape was placed there meanwhile
                heapq.heapreplace(heap, load)
            else:
                free.give(shape.resources)
                heapq.heapreplace(heap, free.load())
                return free.worker.id
        return None

    def could_hold(self, shape: Shape) -> bool:
        """True if some worker that is here would hold it when empty."""
        return any(
            matches(worker, shape) and fits(shape.resources, worker.resources.cpu, worker.resources.memory)
            for worker in self.workers
        )

    def _candidates(self, shape: Shape) -> list[tuple[float, int, str]]:
        heap = [
            free.load()
            for free in self._free.values()
            if free.holds(shape.resources) and matches(free.worker, shape)
        ]
        heapq.heapify(heap)
        return heap
