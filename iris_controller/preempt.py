"""Who is ended so that a task of higher priority has room. Pure: looks at rows, changes none.

Room that is being given back counts already, so that nobody is ended for what others' ends make free, and
what is promised to one task is promised to no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from attrs import frozen

from iris_api.ids import JobId
from iris_controller.feasibility import Obstacle, fits
from iris_controller.room import Free, Room
from iris_controller.rows import Attempt, Demand, Job
from iris_controller.view import Index, View

__all__ = ["Evictor", "Way"]

_WORKERS: Final = 1000  # that are looked at for one task, those with the least important work first
_GROUPS: Final = 16  # that are looked at for one gang

Score = tuple[int, int, float]


@frozen
class Way:
    """How one task gets a place: `victims` are to be ended, and `after` all of these have ended (victims
    and what is ending anyway) it may start on `worker`."""

    worker: str
    victims: tuple[Attempt, ...] = ()
    after: tuple[str, ...] = ()

    def score(self, view: View) -> Score:
        """Less is better: the most important victim, how many tasks end, how much work."""
        tasks = {one.demand.gang or one.uid: one for one in self.victims}
        count = sum(view.get(Job, one.demand.gang).spec.replicas if one.demand.gang else 1
                    for one in tasks.values())  # fmt: skip
        most = max((one.demand.priority for one in self.victims), default=0)
        return most, count, sum(one.resources.cpu for one in self.victims)


class Evictor:
    """For one pass: remembers whom it has chosen, and takes what it gives from `room`."""

    def __init__(self, view: View, room: Room) -> None:
        self._view, self._room = view, room
        self._evicted: set[str] = set()
        priorities = [priority for _, priority in view.keys(Index.LIVE)]
        self._lowest = min(priorities, default=None)

    def may_help(self, demand: Demand) -> bool:
        """False where nothing that runs is of lower priority."""
        return self._lowest is not None and self._lowest < demand.priority

    def make_room(self, demand: Demand, job: JobId) -> Way | None:
        """For one task of the job."""
        able = (free for free in self._below(demand.priority) if _suits(free, demand))
        ways = [way for free in islice(able, _WORKERS) if (way := self._way(free, demand, job))]
        best = min(ways, key=lambda way: (way.score(self._view), way.worker), default=None)
        if best is not None:
            self._go(best, demand)
        return best

    def make_room_for_gang(self, demand: Demand, count: int) -> list[Way]:
        """For all tasks of a gang in one group, or none."""
        found: list[tuple[Score, int, list[Way]]] = []
        for number, group in enumerate(self._room.groups(demand)[:_GROUPS]):
            ways = self._fill(group, demand, count)
            self._undo(ways, demand)
            if len(ways) == count:
                score = Way("", tuple(one for way in ways for one in way.victims)).score(self._view)
                found.append((score, number, ways))
        best = min(found, key=lambda one: one[:2])[2] if found else []
        for way in best:
            self._go(way, demand)
        return sorted(best, key=lambda way: self._room.place_in_slice(way.worker))

    def _fill(self, group: Iterable[Free], demand: Demand, count: int) -> list[Way]:
        """Rounds over the group: one more task a worker in each, where that costs least first."""
        chosen: list[Way] = []
        workers = list(group)
        while len(chosen) < count:
            ways = [way for free in workers if (way := self._way(free, demand, JobId(demand.gang)))]
            ways.sort(key=lambda way: way.score(self._view))
            if not ways:
                break
            for way in ways[: count - len(chosen)]:
                self._go(way, demand)
                chosen.append(way)
        return chosen

    def _go(self, way: Way, demand: Demand) -> None:
        self._evicted.update(one.uid for one in way.victims)
        self._room.give(way.worker, demand.resources)

    def _undo(self, ways: Iterable[Way], demand: Demand) -> None:
        for way in ways:
            self._evicted.difference_update(one.uid for one in way.victims)
            self._room.give(way.worker, demand.resources, -1)

    def _below(self, priority: int) -> Iterator[Free]:
        """Workers with work of lower priority, that of the lowest first."""
        seen: set[str] = set()
        lower = sorted((p, user) for user, p in self._view.keys(Index.LIVE) if p < priority)
        for p, user in lower:
            for uid in self._view.walk(Index.LIVE, (user, p)):
                worker = self._view.get(Attempt, uid).worker
                if worker not in seen:
                    seen.add(worker)
                    if (free := self._room.find(worker)) is not None:
                        yield free

    def _way(self, free: Free, demand: Demand, job: JobId) -> Way | None:
        """How the worker would take one more task of the job; None if it cannot. Nobody is ended for a job
        below his own: that would end with him."""
        if not _suits(free, demand):
            return None
        cpu, memory = free.cpu, free.memory
        ending: list[str] = []
        lower: list[Attempt] = []
        for uid in self._view.walk(Index.HELD, free.worker.id):
            held = self._view.get(Attempt, uid)
            if held.kill is not None or uid in self._evicted:
                ending.append(uid)
                cpu, memory = cpu + held.resources.cpu, memory + held.resources.memory
            elif held.demand.priority < demand.priority and not job.startswith(f"{held.job}/"):
                lower.append(held)
        victims = _fewest(lower, demand, cpu, memory)
        if victims is None:
            return None
        if not victims and fits(demand.resources, free.cpu, free.memory):
            ending = []  # it has room already
        return Way(free.worker.id, tuple(victims), (*ending, *(one.uid for one in victims)))


def _suits(free: Free, demand: Demand) -> bool:
    return free.obstacle(demand.shape) in (None, Obstacle.ROOM)


def _fewest(lower: list[Attempt], demand: Demand, cpu: float, memory: int) -> list[Attempt] | None:
    """The least important of `lower`, the latest first, until there is room, without those that turn out
    not to be needed; None if even all of them are not enough."""
    wanted = demand.resources
    chosen: list[Attempt] = []
    for one in sorted(lower, key=lambda one: (one.demand.priority, -one.assigned, one.uid)):
        if fits(wanted, cpu, memory):
            break
        chosen.append(one)
        cpu, memory = cpu + one.resources.cpu, memory + one.resources.memory
    if not fits(wanted, cpu, memory):
        return None
    for one in sorted(chosen, key=lambda one: (-one.demand.priority, one.assigned, one.uid)):
        if fits(wanted, cpu - one.resources.cpu, memory - one.resources.memory):
            chosen.remove(one)
            cpu, memory = cpu - one.resources.cpu, memory - one.resources.memory
    return chosen
