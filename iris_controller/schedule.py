"""Which waiting task goes to which worker, and what makes room for it. Pure: looks at rows, changes none.

Tasks of one demand are interchangeable, so a pass costs what it places: neither the tasks that wait on nor
the workers are looked at one by one.
"""

from __future__ import annotations

import enum
import math
import sys
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from typing import Final, NamedTuple

from attrs import field, frozen

from iris_api.jobs import CauseKind, Constraint
from iris_api.resources import ResourceSpec
from iris_controller.clock import Now
from iris_controller.feasibility import fits
from iris_controller.preempt import Evictor, Way
from iris_controller.queues import Queue, Queues
from iris_controller.room import Room
from iris_controller.rows import Attempt, Demand, Job, QueueKey, Shape, Task
from iris_controller.rules import Rules
from iris_controller.view import Index, View

__all__ = ["Assignment", "Eviction", "Plan", "Wait", "places_left", "schedule", "waits_whole"]

_PATIENCE: Final = 60.0  # seconds that a task waits for room before a worker is emptied for it
_AGAIN: Final = 2.0  # seconds before those are looked for again who would make room
_EVICTIONS: Final = 64  # tasks and gangs for which somebody is looked for in one pass who makes room
_OWN_FAULTS: Final = (CauseKind.ENVIRONMENT, CauseKind.WORKER_LOST, CauseKind.KILLED_OUTSIDE)


class Wait(enum.Enum):
    """Why the tasks of a queue are not placed."""

    ROOM = "no worker has room"
    QUOTA = "the user has as many tasks running as may"
    GANG = "another task of the gang is ending or backs off"
    TURN = "others were placed first"


class Assignment(NamedTuple):
    """`after`: uids of attempts that are there now and make room by their end."""

    task: Task
    worker: str
    after: tuple[str, ...] = ()


@frozen
class Eviction:
    """An attempt to end, and the task of higher priority that gets its place."""

    victim: Attempt
    for_: Task


@frozen
class Plan:
    """`hopeless`: jobs whose tasks no pool can ever hold, with the reason. `waits`: why each queue that is
    left is left. `again`: seconds after which another pass may do more though nothing has changed."""

    assignments: tuple[Assignment, ...] = ()
    evictions: tuple[Eviction, ...] = ()
    hopeless: tuple[tuple[str, str], ...] = ()
    waits: Mapping[QueueKey, Wait] = field(factory=dict)
    again: float | None = None


def schedule(view: View, rules: Rules, now: Now, room: Room | None = None, limit: int = sys.maxsize) -> Plan:
    """Place what can be placed now, up to `limit` tasks: by priority; children before roots, as their
    ancestors hold places until they end; users in the order of how little they have running; retries
    before first attempts; then in the order of submission. Each goes to the least loaded worker that has
    room. A task that does not fit now does not hold back those behind it, until it has waited for long.

    `room` is that of `view`, and is changed; without one it is made.
    """
    if not view.keys(Index.QUEUE):
        return Plan()
    return _Pass(view, rules, now, room if room is not None else Room.of(view), limit).run()


def places_left(rules: Rules, user: str, running: int) -> int:
    """How many more tasks a user may have running."""
    quota = rules.quota(user).running
    return sys.maxsize if quota is None else max(0, quota - running)


def _search(view: View, queue: Queue) -> Hashable:
    """What those have in common for whom nobody can make room if nobody can for one of them."""
    demand, task = queue.demand, queue.task
    assert task is not None
    gang = view.count(Index.QUEUE, queue.key) if demand.gang else 0
    return demand.shape, demand.priority, demand.group_by, gang, task.job.parent


def _is_kept_for(waited: float) -> bool:
    """Is a worker emptied for a task that has waited for so many seconds? From one minute to two, from four
    to eight, and so on: where it is of no use, since what runs there goes on, others get it in between."""
    return waited > _PATIENCE and int(math.log2(waited / _PATIENCE)) % 2 == 0


def _running(view: View) -> Counter[str]:
    """How many attempts hold a place, by user."""
    found: Counter[str] = Counter()
    for user, priority in view.keys(Index.LIVE):
        found[user] += view.count(Index.LIVE, (user, priority))
    return found


def waits_whole(view: View, gang: QueueKey) -> bool:
    """May the gang of this queue start: do all of its tasks wait?"""
    return view.count(Index.QUEUE, gang) == view.get(Job, gang.demand.gang).spec.replicas


class _Pass:
    """One look at all that waits."""

    def __init__(self, view: View, rules: Rules, now: Now, room: Room, limit: int) -> None:
        self._view, self._rules, self._now, self._room = view, rules, now, room
        self._left = limit
        self._running = _running(view)
        self._assignments: list[Assignment] = []
        self._evictions: list[Eviction] = []
        self._waits: dict[QueueKey, Wait] = {}
        self._short: list[Queue] = []  # of room, in the order of rank
        self._too_many: dict[tuple[Shape, str], int] = {}  # tasks of a gang that no group has room for
        self._full: dict[tuple[Constraint, ...], list[ResourceSpec]] = {}  # sizes that found no room
        self._hopeless: dict[str, str] = {}
        self._again: float | None = None

    def run(self) -> Plan:
        waiting = (Queue(self._view, key) for key in self._view.keys(Index.QUEUE))
        queues = Queues(waiting, self._running)
        while queues and self._left > 0:
            queue = queues.pop()
            if self._place(queue, queues):
                queues.push(queue)
        for queue in queues:
            self._waits[queue.key], self._again = Wait.TURN, 0.0
        self._make_room()
        return Plan(
            tuple(self._assignments),
            tuple(self._evictions),
            tuple(self._hopeless.items()),
            self._waits,
            self._again,
        )

    def _count(self, queue: Queue) -> int:
        """How many tasks its user has running, with what this pass has placed."""
        return self._running[queue.demand.user]

    def _allowed(self, queue: Queue) -> int:
        return places_left(self._rules, queue.demand.user, self._count(queue))

    def _place(self, queue: Queue, others: Queues) -> bool:
        """Place what comes before the `others`; False if the queue is done with in this pass."""
        if queue.demand.gang:
            return self._place_gang(queue)
        allowed = self._allowed(queue)
        if not allowed:
            self._waits[queue.key] = Wait.QUOTA
            return False
        batch = others.batch(queue, min(allowed, self._left, queue.chunk))
        queue.chunk *= 8
        avoid = self._failed_on(batch[0]) if queue.key.retried else ""
        places = self._take(queue.demand.shape, len(batch), avoid)
        self._assign(queue, map(Assignment, batch, places), len(places))
        if len(places) < len(batch):
            queue.give_back(batch[len(places) :])
            self._block(queue)
            return False
        return True

    def _take(self, shape: Shape, count: int, avoid: str) -> list[str]:
        """In a pass there is ever less room: where a task has found none, no larger one looks again."""
        full = self._full.setdefault(shape.constraints, [])
        if any(fits(size, shape.resources.cpu, shape.resources.memory) for size in full):
            return []
        places = self._room.take(shape, count, avoid)
        if len(places) < count:
            larger = shape.resources
            full[:] = [size for size in full if not fits(larger, size.cpu, size.memory)]
            full.append(larger)
        return places

    def _failed_on(self, task: Task) -> str:
        """The worker that has just failed this task for reasons of its own."""
        last = self._view.get(Attempt, task.attempts[-1])
        return last.worker if last.cause is not None and last.cause.kind in _OWN_FAULTS else ""

    def _place_gang(self, queue: Queue) -> bool:
        tasks = self._gang(queue)
        if tasks is None:
            self._waits[queue.key] = Wait.GANG
        elif len(tasks) > self._allowed(queue):
            self._waits[queue.key] = Wait.QUOTA
        elif places := self._take_gang(queue.demand, len(tasks)):
            self._assign(queue, map(Assignment, tasks, places), len(tasks))
        else:
            self._block(queue)
        return False

    def _take_gang(self, demand: Demand, count: int) -> list[str]:
        """In a pass there is ever less room: where a gang has found none, no other like it looks again."""
        like = demand.shape, demand.group_by
        if count >= self._too_many.get(like, sys.maxsize):
            return []
        places = self._room.take_gang(demand, count)
        if not places:
            self._too_many[like] = count
        return places

    def _gang(self, queue: Queue) -> list[Task] | None:
        """All its tasks, or None while not all of them wait."""
        if not waits_whole(self._view, queue.key):
            return None
        tasks = [self._view.get(Task, task) for task in self._view.walk(Index.QUEUE, queue.key)]
        return sorted(tasks, key=lambda task: task.index)

    def _assign(self, queue: Queue, assignments: Iterable[Assignment], count: int) -> None:
        self._assignments += assignments
        self._running[queue.demand.user] += count
        self._left -= count

    def _block(self, queue: Queue) -> None:
        """Its tasks find no room. For good, or until some is made for them."""
        self._waits[queue.key] = Wait.ROOM
        if reason := self._room.never(queue.demand.shape, self._rules.pools):
            for task in self._view.walk(Index.QUEUE, queue.key):
                self._hopeless.setdefault(self._view.get(Task, task).job, reason)
            return
        self._short.append(queue)
        assert queue.task is not None
        if not queue.demand.gang and _is_kept_for(self._now.wall - queue.task.waiting_since):
            self._room.keep_for(queue.demand.shape, self._now.mono)

    def _make_room(self) -> None:
        """End what is less important than what found no room, in the order of rank."""
        evictor = Evictor(self._view, self._room)
        short = (queue for queue in self._short if evictor.may_help(queue.demand))
        queues = Queues(short, self._running)
        searches = 0
        while queues and searches < _EVICTIONS and self._left > 0:
            queue = queues.pop()
            wanted = self._view.count(Index.QUEUE, queue.key) if queue.demand.gang else 1
            if self._allowed(queue) < wanted:
                continue
            if pause := self._room.searched_in_vain(_search(self._view, queue), self._now.mono, _AGAIN):
                self._look_again(pause)
                continue
            searches += 1
            if self._make_room_for(queue, evictor):
                queues.push(queue)
        if queues:
            self._look_again(0.0)

    def _make_room_for(self, queue: Queue, evictor: Evictor) -> bool:
        """For the next task of a queue, or all of a gang; False if nothing more can be done for it now."""
        gang, task = queue.demand.gang, queue.task
        assert task is not None
        tasks = self._gang(queue) or [] if gang else [task]
        if gang:
            ways = evictor.make_room_for_gang(queue.demand, len(tasks))
        else:
            ways = [way] if (way := evictor.make_room(queue.demand, task.job)) else []
        if not ways:
            self._room.note_search(_search(self._view, queue), self._now.mono)
            self._look_again(_AGAIN)
            return False
        for one, way in zip(tasks, ways, strict=True):
            self._evict(queue, one, way)
        if not gang:
            queue.take(1)
        if gang or queue.task is None:
            del self._waits[queue.key]
        return not gang

    def _look_again(self, pause: float) -> None:
        self._again = pause if self._again is None else min(pause, self._again)

    def _evict(self, queue: Queue, task: Task, way: Way) -> None:
        self._evictions += [Eviction(victim, task) for victim in way.victims]
        self._assign(queue, [Assignment(task, way.worker, way.after)], 1)
