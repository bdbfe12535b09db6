"""Room: what each worker has free, and who is the least loaded that has room for a task.

It is kept from turn to turn, so that a change costs what it changes and not a look at every worker. It
says nothing that the rows do not: an entry is made from them, and an empty Room filled anew is equal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from typing import Final

from iris_api.jobs import Constraint
from iris_api.resources import ResourceSpec
from iris_controller.feasibility import SLACK, Obstacle, attributes_of, fits, matches, never, obstacle
from iris_controller.order import Entry, Order
from iris_controller.rows import Demand, PoolSpec, Shape, Worker
from iris_controller.view import Index, View

__all__ = ["Free", "Room"]

_ANSWERS: Final = 1024
_KEPT: Final = 5.0  # seconds
_MANY: Final = 256  # tasks of a shape that are placed in rounds over all workers, not one by one
_ORDERS: Final = 32  # of shapes, and of constraints
_SKIPPED: Final = 16  # less loaded workers without room, before a shape gets an order of its own


class Free:
    """What one worker still has. `kept`: for a task that has waited longer than those that ask. `entry`:
    how loaded it is; of two that are alike the one with fewer tasks is less so. `closed`: to all, whatever
    they want."""

    __slots__ = ("_size", "closed", "cpu", "entry", "id", "kept", "memory", "tasks", "worker")

    def __init__(self, worker: Worker, used: ResourceSpec, tasks: int) -> None:
        self.worker, self.id = worker, worker.id
        self._size = worker.resources
        self.cpu = worker.resources.cpu - used.cpu
        self.memory = worker.resources.memory - used.memory
        self.tasks = tasks
        self.kept = False
        self.closed = bool(worker.rests_until)
        self.entry = self._load()

    def keep(self) -> None:
        """Nobody gets a place here any more."""
        self.kept = self.closed = True

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

    def give(self, wanted: ResourceSpec, count: int = 1) -> Entry:
        """Have it hold tasks; where others are being ended for them, it may be short for a while."""
        self.cpu -= wanted.cpu * count
        self.memory -= wanted.memory * count
        self.tasks += count
        self.entry = entry = self._load()
        return entry

    def _load(self) -> Entry:
        size = self._size
        left = self.cpu / size.cpu if size.cpu else 1.0
        if size.memory and (left_memory := self.memory / size.memory) < left:
            left = left_memory
        return 1.0 - left + self.tasks * 1e-7, self.id


class Room:
    """`note` what may have changed, `sync` with the rows, then `take`."""

    def __init__(self) -> None:
        self._free: dict[str, Free] = {}
        self._orders: dict[tuple[Constraint, ...], dict[ResourceSpec, Order]] = {}
        self._own: dict[tuple[Shape, ResourceSpec], Order] = {}
        self._noted: set[str] = set()
        self._kept: dict[Shape, tuple[str, float]] = {}
        self._searched: dict[Hashable, float] = {}
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
        orders = [
            (size, order)
            for size, order in self._orders_of(shape.constraints).items()
            if fits(shape.resources, size.cpu, size.memory)
        ]
        if len(orders) == 1 and not avoid and (shape, orders[0][0]) not in self._own:
            taken = self._take_first(orders[0][1], shape, count)
        while len(taken) < count and (worker := self._take_one(orders, shape, avoid)):
            taken.append(worker)
        self._noted.update(taken)
        return taken

    def _take_first(self, order: Order, shape: Shape, count: int) -> list[str]:
        """As `take`, for as long as the first of the order has room: the usual case, and many times."""
        wanted, frees, taken = shape.resources, self._free, list[str]()
        replace, entry = order.replace, order.first()
        while entry is not None and len(taken) < count:
            free = frees.get(entry[1])
            if free is not None and free.entry is entry:
                if free.closed or not fits(wanted, free.cpu, free.memory):
                    break
                taken.append(entry[1])
                entry = replace(entry, free.give(wanted))
            elif free is None or entry > free.entry:
                entry = order.pop()
            else:
                entry = replace(entry, free.entry)
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
        free.keep()
        self._noted.add(free.worker.id)

    def keep_as(self, other: Room) -> None:
        """Keep until the next `sync` the workers that `other` keeps."""
        for free in other.all():
            if free.kept and free.worker.id in self._free:
                self._free[free.worker.id].keep()
                self._noted.add(free.worker.id)

    def note_search(self, what: Hashable, mono: float) -> None:
        """Nobody was found who could make room for `what`."""
        if len(self._searched) >= _ANSWERS:
            self._searched.clear()
        self._searched[what] = mono

    def searched_in_vain(self, what: Hashable, mono: float, pause: float) -> float:
        """Seconds that are left of the `pause` after such a search; 0: search again."""
        since = self._searched.get(what)
        if since is None or mono - since >= pause:
            self._searched.pop(what, None)
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
        if before is None or before.entry > free.entry or before.kept:
            self._put_in_order(free)

    def _put_in_order(self, free: Free) -> None:
        """It has more room than before."""
        for constraints, orders in self._orders.items():
            if not constraints or matches(free.worker, Shape(free.worker.resources, constraints)):
                orders.setdefault(free.worker.resources, Order()).push(free.entry)
        for (shape, size), order in self._own.items():
            if size == free.worker.resources and free.obstacle(shape) is None:
                order.push(free.entry)

    def _orders_of(self, constraints: tuple[Constraint, ...]) -> dict[ResourceSpec, Order]:
        """By size, the workers that meet the constraints, each with its load or a lower one."""
        orders = self._orders.pop(constraints, None)
        if orders is None or sum(map(len, orders.values())) > 4 * len(self._free) + 64:
            entries: dict[ResourceSpec, list[Entry]] = {}
            for free in self._free.values():
                if not constraints or matches(free.worker, Shape(free.worker.resources, constraints)):
                    entries.setdefault(free.worker.resources, []).append(free.entry)
            orders = {size: Order(found) for size, found in entries.items()}
        self._orders[constraints] = orders
        if len(self._orders) > _ORDERS:
            del self._orders[next(iter(self._orders))]
        return orders

    def _take_one(self, orders: list[tuple[ResourceSpec, Order]], shape: Shape, avoid: str) -> str:
        best: Entry | None = None
        for size, order in orders:
            found = self._look(order, shape, size, avoid)
            if found is not None and (best is None or found < best):
                best = found
        if best is not None:
            worker = best[1]
        elif avoid in self._free and self._free[avoid].obstacle(shape) is None:
            worker = avoid
        else:
            return ""
        self._free[worker].give(shape.resources)
        return worker

    def _look(self, order: Order, shape: Shape, size: ResourceSpec, avoid: str) -> Entry | None:
        """The least loaded of `order` with room for the shape. Where many that are less loaded have none,
        the shape gets an order of its own, of those that have."""
        own = self._own.get((shape, size))
        if own is not None:
            return self._first(own, shape, avoid, None)
        skipped: list[Entry] = []
        found = self._first(order, shape, avoid, skipped)
        for entry in skipped:
            order.push(entry)
        if found is None and skipped:
            return self._first(self._make_own(shape, size), shape, avoid, None)
        return found

    def _first(self, order: Order, shape: Shape, avoid: str, skipped: list[Entry] | None) -> Entry | None:
        """`skipped` takes those without room, a few at most; None: they are dropped, and come again when
        they have got more."""
        wanted, avoided, entry = shape.resources, None, order.first()
        while entry is not None:
            free = self._free.get(entry[1])
            if free is None or entry > free.entry:
                entry = order.pop()  # gone, or there again since it got more room
            elif entry < free.entry:
                entry = order.replace(entry, free.entry)
            elif entry[1] == avoid:
                avoided, entry = entry, order.pop()
            elif not free.closed and fits(wanted, free.cpu, free.memory):
                break
            elif skipped is None:
                entry = order.pop()
            elif len(skipped) < _SKIPPED:
                skipped.append(entry)
                entry = order.pop()
            else:
                entry = None
        if avoided is not None:
            order.push(avoided)
        return entry

    def _make_own(self, shape: Shape, size: ResourceSpec) -> Order:
        fitting = self._own[shape, size] = Order(
            free.entry
            for free in self._free.values()
            if free.worker.resources == size and free.obstacle(shape) is None
        )
        if len(self._own) > _ORDERS:
            del self._own[next(iter(self._own))]
        return fitting

    def _take_many(self, shape: Shape, count: int) -> list[str]:
        taken = _rounds(sorted(self._free.values(), key=lambda free: free.entry), shape, count)
        for worker, tasks in Counter(taken).items():
            self._free[worker].give(shape.resources, tasks)
        self._noted.update(taken)
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
