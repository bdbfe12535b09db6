"""Room: what each worker has free, in the order of load for each shape that was asked for.

It is kept from turn to turn, so that a change costs what it changes and not a look at every worker. It
says nothing that the rows do not: `renew` makes an entry from them, and an empty Room filled anew is equal.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from iris_api.resources import ResourceSpec
from iris_controller.feasibility import SLACK, Obstacle, attributes_of, never, obstacle
from iris_controller.rows import Demand, PoolSpec, Shape, Worker
from iris_controller.view import Index, View

__all__ = ["Free", "Room"]

_SHAPES: Final = 32  # whose order is kept
_ANSWERS: Final = 1024
_KEPT: Final = 5.0  # seconds
_MANY: Final = 256  # tasks of a shape that are placed in rounds over all workers, not one by one

Entry = tuple[float, int, str]


class Free:
    """What one worker still has. `kept`: for a task that has waited longer than those that ask."""

    __slots__ = ("cpu", "entry", "kept", "memory", "tasks", "worker")

    def __init__(self, worker: Worker, used: ResourceSpec, tasks: int) -> None:
        self.worker = worker
        self.cpu = worker.resources.cpu - used.cpu
        self.memory = worker.resources.memory - used.memory
        self.tasks = tasks
        self.kept = False
        self.entry = self._load()

    def obstacle(self, shape: Shape) -> Obstacle | None:
        return obstacle(self.worker, shape, self.cpu, self.memory, self.kept)

    def slots(self, shape: Shape, most: int) -> int:
        """How many tasks of the shape it takes, up to `most`."""
        if self.obstacle(shape) is not None:
            return 0
        wanted = shape.resources
        if wanted.cpu:
            most = min(most, int((self.cpu + SLACK) / wanted.cpu))
        return min(most, self.memory // wanted.memory) if wanted.memory else most

    def give(self, wanted: ResourceSpec, count: int = 1) -> None:
        """Have it hold tasks; where others are being ended for them, it may be short for a while."""
        self.cpu -= wanted.cpu * count
        self.memory -= wanted.memory * count
        self.tasks += count
        self.entry = self._load()

    def _load(self) -> Entry:
        total = self.worker.resources
        cpu = 1 - self.cpu / total.cpu if total.cpu else 0.0
        memory = 1 - self.memory / total.memory if total.memory else 0.0
        return round(max(cpu, memory), 6), self.tasks, self.worker.id


class Room:
    """`note` what may have changed, `sync` with the rows, then `take`."""

    def __init__(self) -> None:
        self._free: dict[str, Free] = {}
        self._heaps: dict[Shape, list[Entry]] = {}
        self._noted: set[str] = set()
        self._kept: dict[Shape, tuple[str, float]] = {}
        self._searched: dict[Demand, float] = {}
        self._never: dict[Shape, tuple[int, str]] = {}
        self.generation = 0  # of what the workers are, whatever they run

    @classmethod
    def of(cls, view: View) -> Room:
        """The room that there is in `view`."""
        room = cls()
        room.note(worker.id for worker in view.rows(Worker))
        room.sync(view, ())
        return room

    def note(self, workers: Iterable[str]) -> None:
        """These are looked at again by the next `sync`."""
        self._noted.update(workers)

    def sync(self, view: View, touched: Iterable[str]) -> None:
        """Take over what `view` says of the noted workers and of those that it has `touched` itself. These
        are noted again, as are all that `take` changes: a view that is a draft may be dropped."""
        touched = set(touched)
        for worker in sorted(self._noted | touched):
            self._renew(view, worker)
        self._noted = touched

    def all(self) -> Iterator[Free]:
        return iter(self._free.values())

    def find(self, worker: str) -> Free | None:
        return self._free.get(worker)

    def workers(self) -> list[Worker]:
        return [free.worker for free in self._free.values()]

    def never(self, shape: Shape, pools: tuple[PoolSpec, ...]) -> str:
        """Why nobody can hold the shape, now or later; empty while somebody might."""
        generation, answer = self._never.get(shape, (-1, ""))
        if generation != self.generation:
            answer = "" if self._could_hold(shape) else never(shape, pools, self.workers())
            if len(self._never) >= _ANSWERS:
                self._never.clear()
            self._never[shape] = self.generation, answer
        return answer

    def _could_hold(self, shape: Shape) -> bool:
        """True if some worker that is here would hold it when empty."""
        lasting = (Obstacle.CONSTRAINT, Obstacle.SIZE)
        return any(free.obstacle(shape) not in lasting for free in self._free.values())

    def take(self, shape: Shape, count: int, avoid: str = "") -> list[str]:
        """Workers for up to `count` tasks, the least loaded first; they hold them now. `avoid` is taken
        only where no other has room."""
        if count > _MANY and count * 8 > len(self._free):
            return self._take_many(shape, count)
        taken: list[str] = []
        while len(taken) < count and (worker := self._take_one(shape, avoid)):
            taken.append(worker)
        return taken

    def give(self, worker: str, wanted: ResourceSpec, count: int = 1) -> None:
        """Tasks are placed there, whether there is room or will be; or, with -1, one is not after all."""
        self._free[worker].give(wanted, count)
        self._noted.add(worker)

    def keep_for(self, shape: Shape, mono: float) -> None:
        """Until the next `sync` nobody gets a place on the worker that is nearest to having room for the
        shape; for some time it stays the same one, though others overtake it."""
        worker, until = self._kept.get(shape, ("", 0.0))
        free = self._free.get(worker)
        if free is None or mono >= until or free.obstacle(shape) is not Obstacle.ROOM:
            full = [one for one in self._free.values() if one.obstacle(shape) is Obstacle.ROOM]
            if not full:
                return
            free = max(full, key=lambda one: (one.cpu, one.memory, one.worker.id))
            self._kept[shape] = free.worker.id, mono + _KEPT
        free.kept = True
        self._noted.add(free.worker.id)

    def note_search(self, demand: Demand, mono: float) -> None:
        """Nobody was found who could make room."""
        self._searched[demand] = mono

    def searched_in_vain(self, demand: Demand, mono: float, pause: float) -> float:
        """Seconds that are left of the `pause` after such a search; 0: search again."""
        since = self._searched.get(demand)
        if since is None or mono - since >= pause:
            self._searched.pop(demand, None)
            return 0.0
        return pause - (mono - since)

    def place_in_slice(self, worker: str) -> tuple[int, str]:
        """What orders the workers of a gang."""
        return _place_in_slice(self._free[worker])

    def take_gang(self, demand: Demand, count: int) -> list[str]:
        """Workers for all `count` tasks of a gang, in the order of their slice index, or none. Of the
        groups that hold it, the smallest: a larger one may be needed whole."""
        for group in self.groups(demand):
            places = _rounds(group, demand.shape, count)
            if len(places) == count:
                for worker in places:
                    self.give(worker, demand.resources)
                return places
        return []

    def groups(self, demand: Demand) -> list[list[Free]]:
        """The workers that a gang may be on, by group, each in the order of slice index."""
        found: dict[str, list[Free]] = {}
        for free in self._free.values():
            if free.obstacle(demand.shape) in (None, Obstacle.ROOM):
                value = attributes_of(free.worker).get(demand.group_by, "") if demand.group_by else "*"
                if value:
                    found.setdefault(value, []).append(free)
        ordered = sorted(found.items(), key=lambda item: (len(item[1]), item[0]))
        if not demand.group_by:
            return [sorted(group, key=lambda free: free.entry) for _, group in ordered]
        return [sorted(group, key=_place_in_slice) for _, group in ordered]

    def _renew(self, view: View, worker_id: str) -> None:
        worker, before = view.find(Worker, worker_id), self._free.get(worker_id)
        if worker is None or worker.lost:
            if before is not None:
                del self._free[worker_id]
                self.generation += 1
            return
        free = Free(worker, view.used(worker_id), view.count(Index.HELD, worker_id))
        self._free[worker_id] = free
        if before is None or not _same(before.worker, worker):
            self.generation += 1
            before = None
        if before is None or before.entry != free.entry or before.kept:
            for shape, heap in self._heaps.items():
                if free.obstacle(shape) is None:
                    heapq.heappush(heap, free.entry)

    def _heap(self, shape: Shape) -> list[Entry]:
        """Every worker with room for the shape is in it with its load or a lower one."""
        heap = self._heaps.pop(shape, None)
        if heap is None or len(heap) > 2 * len(self._free) + 64:
            heap = [free.entry for free in self._free.values() if free.obstacle(shape) is None]
            heapq.heapify(heap)
        self._heaps[shape] = heap
        if len(self._heaps) > _SHAPES:
            del self._heaps[next(iter(self._heaps))]
        return heap

    def _take_one(self, shape: Shape, avoid: str) -> str:
        heap = self._heap(shape)
        avoided: Entry | None = None
        chosen = ""
        while heap and not chosen:
            entry = heap[0]
            free = self._free.get(entry[2])
            if free is None or entry > free.entry or free.obstacle(shape) is not None:
                heapq.heappop(heap)  # gone, or pushed again when it got more room
            elif entry < free.entry:
                heapq.heapreplace(heap, free.entry)
            elif entry[2] == avoid:
                avoided = heapq.heappop(heap)
            else:
                chosen = entry[2]
        if avoided is not None:
            heapq.heappush(heap, avoided)
            chosen = chosen or avoid
        if chosen:
            self.give(chosen, shape.resources)
        return chosen

    def _take_many(self, shape: Shape, count: int) -> list[str]:
        taken = _rounds(sorted(self._free.values(), key=lambda free: free.entry), shape, count)
        for worker, tasks in Counter(taken).items():
            self._free[worker].give(shape.resources, tasks)
        self._noted.update(taken)
        self._heaps.pop(shape, None)
        return taken


def _rounds(workers: Iterable[Free], shape: Shape, count: int) -> list[str]:
    """Workers for up to `count` tasks: one each in the given order, then a second one each, and so on."""
    slots = [(free.worker.id, room) for free in workers if (room := free.slots(shape, count))]
    places: list[str] = []
    done = 0
    while slots and len(places) < count:
        places += [worker for worker, _ in slots[: count - len(places)]]
        done += 1
        slots = [(worker, room) for worker, room in slots if room > done]
    return places


def _same(before: Worker, after: Worker) -> bool:
    """May both hold the same, when empty?"""
    return (
        before.resources == after.resources
        and before.pool == after.pool
        and before.attributes == after.attributes
        and before.rests_until == after.rests_until
    )


def _place_in_slice(free: Free) -> tuple[int, str]:
    index = free.worker.attributes.get("slice_index", "")
    return int(index) if index.isdecimal() else 0, free.worker.id
