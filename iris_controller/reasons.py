"""Why a task waits and what would make it run: derived when asked, from the rows and rules that place it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from attrs import frozen

from iris_api.jobs import TaskState
from iris_api.resources import ResourceSpec, format_memory
from iris_controller.clock import Now
from iris_controller.feasibility import Obstacle, attributes_of, met, never
from iris_controller.room import Free, Room
from iris_controller.rows import Attempt, Demand, Job, Shape, Task
from iris_controller.rules import Rules
from iris_controller.schedule import places_left, waits_whole
from iris_controller.view import Index, View

__all__ = ["PoolView", "Reason", "Reasons"]


@frozen
class Reason:
    """`why` a task does not run, and what would make it run; both empty where it does, or is to."""

    why: str = ""
    remedy: str = ""


@frozen
class PoolView:
    """How many workers a pool has, of these how many meet the constraints, of these how many would hold a
    task when empty, and of these how many take it now."""

    pool: str
    workers: int
    matching: int
    large_enough: int
    with_room: int


class Reasons:
    """Answers for one moment; tasks of one demand share an answer."""

    def __init__(self, view: View, rules: Rules, now: Now, passed: Room | None = None) -> None:
        """`passed`: the room of the last pass, which knows the workers that are being emptied."""
        self._view, self._rules, self._now = view, rules, now
        self._passed = passed
        self._room: Room | None = None
        self._by_demand: dict[Demand, Reason] = {}

    def of(self, task: Task) -> str:
        """Why it waits; empty for a task that does not."""
        return self.reason(task).why

    def reason(self, task: Task) -> Reason:
        if task.state is not TaskState.PENDING:
            return self._held_up(task) if task.live else Reason()
        if task.not_before > self._now.mono:
            return self._backing_off(task)
        found = self._by_demand.get(task.demand)
        if found is None:
            found = self._by_demand[task.demand] = self._explain(task)
        return found

    def pools(self, shape: Shape) -> list[PoolView]:
        """What each pool has to offer."""
        found: dict[str, list[Obstacle | None]] = {}
        for pool in self._rules.pools:
            found[pool.name] = []
        for free in self._workers().all():
            found.setdefault(free.worker.pool, []).append(free.obstacle(shape))
        return [_pool_view(pool, obstacles) for pool, obstacles in found.items()]

    def _workers(self) -> Room:
        if self._room is None:
            self._room = Room.of(self._view)
            if self._passed is not None:
                self._room.keep_as(self._passed)
        return self._room

    def makes_room(self, worker: str, after: Sequence[str]) -> Reason:
        """Why a task with a place does not start: the attempts `after` which it comes are still there."""
        if not after:
            return Reason()
        tasks = ", ".join(self._view.get(Attempt, uid).task for uid in after)
        return Reason(f"worker {worker} makes room for it: {tasks} must end first", "nothing to do")

    def _held_up(self, task: Task) -> Reason:
        """It has a place, and those who make room for it are still there."""
        attempt = self._view.get(Attempt, task.live)
        return self.makes_room(attempt.worker, attempt.after)

    def _backing_off(self, task: Task) -> Reason:
        pause = math.ceil(task.not_before - self._now.mono)
        last = self._view.get(Attempt, task.attempts[-1]).cause if task.attempts else None
        why = f": {last.message}" if last is not None else ""
        return Reason(f"waiting {pause} s after failure {len(task.attempts)}{why}", "nothing to do but wait")

    def _explain(self, task: Task) -> Reason:
        demand = task.demand
        user = demand.user or "(unnamed)"
        quota = self._rules.quota(demand.user).running
        wanted = self._view.get(Job, demand.gang).spec.replicas if demand.gang else 1
        running = self._view.running(demand.user)
        if places_left(self._rules, demand.user, running) < wanted:
            return Reason(
                f"user {user} has {running} running, and may have {quota}",
                f"tasks of user {user} end, or quotas.{demand.user or 'default'}.running is raised",
            )
        if demand.gang and not waits_whole(self._view, task.queue):
            return Reason(
                "another task of its gang is still ending or backs off: they start together",
                "nothing to do but wait",
            )
        return self._gang_room(demand, wanted) if demand.gang else self._room_for(demand)

    def _room_for(self, demand: Demand) -> Reason:
        shape, workers = demand.shape, list(self._workers().all())
        if not workers:
            return Reason("no worker has joined yet", "a worker joins: iris worker, or a pool with min >= 1")
        by: dict[Obstacle | None, list[Free]] = {}
        for free in workers:
            by.setdefault(free.obstacle(shape), []).append(free)
        if None in by:
            return Reason("a worker has room: it is about to be placed", "nothing to do")
        if Obstacle.ROOM in by:
            return Reason(self._full(by[Obstacle.ROOM], shape.resources), self._who_would_yield(by, demand))
        if Obstacle.KEPT in by:
            kept = by[Obstacle.KEPT][0].worker.id
            return Reason(f"worker {kept} is being emptied for a task that waits longer", "nothing to do")
        if Obstacle.RESTING in by:
            return self._resting(by[Obstacle.RESTING])
        if Obstacle.SIZE in by:
            return self._too_large(shape, by[Obstacle.SIZE])
        return Reason(
            f"no worker that is here has {self._unmet(shape)}",
            f"a worker with {' and '.join(map(str, shape.constraints))} joins, or the job does without",
        )

    def _gang_room(self, demand: Demand, count: int) -> Reason:
        groups = self._workers().groups(demand)
        if not groups:
            single = self._room_for(demand)
            if demand.group_by and "about to be placed" in single.why:
                return Reason(
                    f"no worker that is here has the attribute {demand.group_by}",
                    f"workers with {demand.group_by} join, or the job is submitted with another group_by",
                )
            return single
        best, room = max(
            ((group, sum(free.slots(demand.shape, count) for free in group)) for group in groups),
            key=lambda one: one[1],
        )
        if room >= count:
            return Reason("workers have room: it is about to be placed", "nothing to do")
        value = attributes_of(best[0].worker).get(demand.group_by, "")
        where = f"of one {demand.group_by}" if demand.group_by else "that are here"
        nearest = f"{demand.group_by} {value} has" if demand.group_by else "they have"
        most = max(sum(_slots_when_empty(free, demand.shape, count) for free in group) for group in groups)
        if most < count:
            return Reason(
                f"no workers {where} are large enough for all {count} tasks of the gang: at most {most} fit",
                f"larger groups of workers join, or the gang has at most {most} tasks",
            )
        return Reason(
            f"no workers {where} have room for all {count} tasks of the gang at once: "
            f"{nearest} room for {room} now",
            f"tasks end there until {count - room} more of it fit, or workers join, "
            "or the job has a higher priority than what runs",
        )

    def _full(self, full: Sequence[Free], wanted: ResourceSpec) -> str:
        """Of each pool's workers the one with the most free cores stands for all."""
        pools: dict[str, Free] = {}
        for free in full:
            best = pools.setdefault(free.worker.pool, free)
            if free.cpu > best.cpu:
                pools[free.worker.pool] = free
        return "; ".join(_short_of(free, wanted) for free in pools.values())

    def _who_would_yield(self, by: dict[Obstacle | None, list[Free]], demand: Demand) -> str:
        lowest: tuple[int, str] | None = None
        for free in by[Obstacle.ROOM]:
            for uid in self._view.walk(Index.HELD, free.worker.id):
                held = self._view.get(Attempt, uid)
                if lowest is None or held.demand.priority < lowest[0]:
                    lowest = held.demand.priority, held.task
        text = f"tasks end on a worker until {demand.resources} are free, or a worker joins"
        if lowest is not None and lowest[0] >= demand.priority and lowest[0] < 100:
            text += f"; with a priority above {lowest[0]} it would have {lowest[1]} ended"
        return text

    def _resting(self, resting: Sequence[Free]) -> Reason:
        first = min(resting, key=lambda free: free.worker.rests_until).worker
        left = math.ceil(first.rests_until - self._now.mono)
        return Reason(
            f"no worker takes it: worker {first.id} rests for {left} s after {len(first.faults)} failures of "
            "its own in a row",
            "nothing to do but wait; iris workers and the logs of what failed tell what is wrong with it",
        )

    def _too_large(self, shape: Shape, small: Sequence[Free]) -> Reason:
        largest = max((free.worker.resources for free in small), key=lambda one: (one.cpu, one.memory))
        why = never(shape, self._rules.pools, self._workers().workers())
        return Reason(
            why or f"no worker that is here is large enough for {shape.resources}",
            f"a worker with {shape.resources} joins, or the job asks for at most {largest}",
        )

    def _unmet(self, shape: Shape) -> str:
        workers = self._workers().workers()
        for one in shape.constraints:
            if not any(met(one, attributes_of(worker)) for worker in workers):
                return str(one)
        return " and ".join(map(str, shape.constraints))


def _slots_when_empty(free: Free, shape: Shape, most: int) -> int:
    return Free(free.worker, ResourceSpec(0), 0).slots(shape, most)


def _pool_view(pool: str, obstacles: Sequence[Obstacle | None]) -> PoolView:
    matching = [one for one in obstacles if one is not Obstacle.CONSTRAINT]
    large = [one for one in matching if one is not Obstacle.SIZE]
    return PoolView(pool, len(obstacles), len(matching), len(large), sum(one is None for one in large))


def _short_of(free: Free, wanted: ResourceSpec) -> str:
    pool, total = free.worker.pool, free.worker.resources
    if wanted.cpu > free.cpu:
        return (
            f"no worker of pool {pool} has {wanted.cpu:g} cpu free now: "
            f"{max(0.0, free.cpu):g} of {total.cpu:g} free"
        )
    return (
        f"no worker of pool {pool} has {format_memory(wanted.memory)} memory free now: "
        f"{format_memory(max(0, free.memory))} of {format_memory(total.memory)} free"
    )
