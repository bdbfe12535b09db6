"""Who is ended so that a task of higher priority has room. Pure: looks at rows, changes none.

Room that is being given back counts already, so that nobody is ended for what others' ends make free, and
what is promised to one task is promised to no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

from attrs import frozen

from iris_api.ids import JobId
from iris_api.jobs import DEFAULT_PRIORITY
from iris_api.resources import ResourceSpec
from iris_controller.feasibility import Obstacle, fits
from iris_controller.room import Free, Room
from iris_controller.rows import LIVE, Attempt, Demand, Job, Shape, Task
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


@frozen
class _Fall:
    """What ends with an attempt: its gang, the jobs that these have submitted, and so on. `priority`: the
    highest of it, and of what of these jobs still waits."""

    uids: tuple[str, ...]
    priority: int


class Evictor:
    """For one pass: remembers whom it has chosen, and takes what it gives from `room`."""

    def __init__(self, view: View, room: Room) -> None:
        self._view, self._room = view, room
        self._evicted: set[str] = set()
        self._falls: dict[str, _Fall] = {}
        self._lists: dict[tuple[Shape, int], list[Free]] = {}
        self._ways: dict[tuple[Shape, int, JobId | None], dict[str, tuple[Score, str, Way] | None]] = {}
        priorities = [priority for _, priority in view.keys(Index.LIVE)]
        self._lowest = min(priorities, default=None)

    def may_help(self, demand: Demand) -> bool:
        """False where nothing that runs is of lower priority."""
        return self._lowest is not None and self._lowest < demand.priority

    def make_room(self, demand: Demand, job: JobId) -> Way | None:
        """For one task of the job."""
        known = self._ways.setdefault((demand.shape, demand.priority, job.parent), {})
        best: tuple[Score, str, Way] | None = None
        for free in self._able(demand):
            worker = free.worker.id
            if worker not in known:
                way = self._way(free, demand, job)
                known[worker] = None if way is None else (self._score([way]), worker, way)
            found = known[worker]
            if found is not None and (best is None or found[:2] < best[:2]):
                best = found
        if best is None:
            return None
        self._go(best[2], demand)
        return best[2]

    def make_room_for_gang(self, demand: Demand, count: int) -> list[Way]:
        """For all tasks of a gang in one group, or none."""
        found: list[tuple[Score, int, list[Way]]] = []
        for number, group in enumerate(self._room.groups(demand)[:_GROUPS]):
            evicted = set(self._evicted)
            ways = self._fill(group, demand, count)
            self._undo(ways, demand, evicted)
            if len(ways) == count:
                found.append((self._score(ways), number, ways))
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
            ways.sort(key=lambda way: self._score([way]))
            if not ways:
                break
            for way in ways[: count - len(chosen)]:
                self._go(way, demand)
                chosen.append(way)
        return chosen

    def _go(self, way: Way, demand: Demand) -> None:
        ended = {uid for one in way.victims for uid in self._fall(one).uids}
        self._evicted |= ended
        self._room.give(way.worker, demand.resources)
        changed = {way.worker, *(self._view.get(Attempt, uid).worker for uid in ended)}
        for known in self._ways.values():
            for worker in changed:
                known.pop(worker, None)

    def _undo(self, ways: Iterable[Way], demand: Demand, evicted: set[str]) -> None:
        self._evicted = evicted
        for way in ways:
            self._room.give(way.worker, demand.resources, -1)

    def _score(self, ways: Iterable[Way]) -> Score:
        """Less is better: the most important that ends, how many attempts end, how much work."""
        victims = [one for way in ways for one in way.victims]
        falls = [self._fall(one) for one in victims]
        count = len({uid for fall in falls for uid in fall.uids})
        most = max((fall.priority for fall in falls), default=0)
        return most, count, sum(one.resources.cpu for one in victims)

    def _fall(self, attempt: Attempt) -> _Fall:
        key = attempt.demand.gang or attempt.uid
        found = self._falls.get(key)
        if found is None:
            found = self._falls[key] = _fall_of(self._view, attempt)
        return found

    def _able(self, demand: Demand) -> list[Free]:
        """Workers that might take it: those that are giving back room, and those with work of lower
        priority, that of the lowest first."""
        key = demand.shape, demand.priority
        if key not in self._lists:
            able = (free for free in self._below(demand.priority) if _suits(free, demand))
            self._lists[key] = list(islice(able, _WORKERS))
        return self._lists[key]

    def _below(self, priority: int) -> Iterator[Free]:
        seen: set[str] = set()
        keys = sorted((p, user) for user, p in self._view.keys(Index.LIVE))
        for p, user in sorted(keys, key=lambda one: one[0] < priority):
            for uid in self._view.walk(Index.LIVE, (user, p)):
                attempt = self._view.get(Attempt, uid)
                if attempt.worker not in seen and (p < priority or attempt.kill is not None):
                    seen.add(attempt.worker)
                    if (free := self._room.find(attempt.worker)) is not None:
                        yield free

    def _way(self, free: Free, demand: Demand, job: JobId) -> Way | None:
        """How the worker would take one more task of the job; None if it cannot. Nobody is ended for a job
        below his own, that would end with him; nor if anything ends with him that is as important."""
        if not _suits(free, demand):
            return None
        cpu, memory = free.cpu, free.memory
        ending: list[str] = []
        lower: list[Attempt] = []
        here: dict[str, ResourceSpec] = {}
        for uid in self._view.walk(Index.HELD, free.worker.id):
            held = self._view.get(Attempt, uid)
            if held.kill is not None or uid in self._evicted:
                ending.append(uid)
                cpu, memory = cpu + held.resources.cpu, memory + held.resources.memory
                continue
            here[uid] = held.resources
            if self._yields(held, demand, job):
                lower.append(held)

        def enough(chosen: Iterable[Attempt]) -> bool:
            freed = [here[uid] for uid in self._falling(chosen) if uid in here]
            return fits(
                demand.resources,
                cpu + sum(one.cpu for one in freed),
                memory + sum(one.memory for one in freed),
            )

        victims = _fewest(lower, enough)
        if victims is None:
            return None
        if not victims and fits(demand.resources, free.cpu, free.memory):
            ending = []  # it has room already
        return Way(
            free.worker.id, tuple(victims), (*ending, *(uid for uid in self._falling(victims) if uid in here))
        )

    def _falling(self, victims: Iterable[Attempt]) -> list[str]:
        """What ends with any of them, each once."""
        return list(dict.fromkeys(uid for one in victims for uid in self._fall(one).uids))

    def _yields(self, held: Attempt, demand: Demand, job: JobId) -> bool:
        if held.demand.priority >= demand.priority or job.startswith(f"{held.job}/"):
            return False
        return self._fall(held).priority < demand.priority


def _fall_of(view: View, attempt: Attempt) -> _Fall:
    gang = attempt.demand.gang
    left = _live(view, view.get(Job, gang)) if gang else [attempt]
    uids: list[str] = []
    priority = 0
    while left:
        one = left.pop()
        uids.append(one.uid)
        priority = max(priority, one.demand.priority)
        for job_id in view.walk(Index.SUBMITTED_BY, one.uid):
            job = view.get(Job, job_id)
            if job.going_on:
                priority = max(priority, job.spec.priority or DEFAULT_PRIORITY)
                left += _live(view, job)
    return _Fall(tuple(uids), priority)


def _live(view: View, job: Job) -> list[Attempt]:
    tasks = (view.get(Task, task) for state in LIVE for task in view.walk(Index.TASKS, (job.id, state)))
    return [view.get(Attempt, task.live) for task in tasks]


def _suits(free: Free, demand: Demand) -> bool:
    return free.obstacle(demand.shape) in (None, Obstacle.ROOM)


def _fewest(lower: list[Attempt], enough: Callable[[list[Attempt]], bool]) -> list[Attempt] | None:
    """The least important of `lower`, the latest first, until there is room, without those that turn out
    not to be needed; None if even all of them are not enough."""
    chosen: list[Attempt] = []
    for one in sorted(lower, key=lambda one: (one.demand.priority, -one.assigned, one.uid)):
        if enough(chosen):
            break
        chosen.append(one)
    if not enough(chosen):
        return None
    for one in sorted(chosen, key=lambda one: (-one.demand.priority, one.assigned, one.uid)):
        if enough(rest := [other for other in chosen if other is not one]):
            chosen = rest
    return chosen
