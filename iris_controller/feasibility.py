"""What fits where, and what can never fit anywhere."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Final

from iris_api.jobs import Constraint, ConstraintOp
from iris_api.resources import ResourceSpec
from iris_controller.rows import PoolSpec, Shape, Worker

__all__ = ["SLACK", "Obstacle", "attributes_of", "fits", "matches", "met", "never", "obstacle"]

SLACK: Final = 1e-9  # sums of cores are floats
_POOL: Final = "pool"  # the attribute that every worker has


class Obstacle(enum.Enum):
    """Why a worker does not take a task, the most lasting reason first."""

    CONSTRAINT = "it does not meet the constraints"
    SIZE = "it is too small"
    RESTING = "it rests after failures of its own"
    ROOM = "it has no room now"
    KEPT = "it is being emptied for a task that has waited longer"


def obstacle(worker: Worker, shape: Shape, cpu: float, memory: int, kept: bool = False) -> Obstacle | None:
    """What keeps a worker with `cpu` cores and `memory` bytes free from taking a task; None: it does.
    What is placed and what is explained both go by this."""
    if not matches(worker, shape):
        return Obstacle.CONSTRAINT
    wanted = shape.resources
    if not fits(wanted, worker.resources.cpu, worker.resources.memory):
        return Obstacle.SIZE
    if worker.rests_until:
        return Obstacle.RESTING
    if not fits(wanted, cpu, memory):
        return Obstacle.ROOM
    return Obstacle.KEPT if kept else None


def fits(wanted: ResourceSpec, cpu: float, memory: int) -> bool:
    """True if `cpu` cores and `memory` bytes are enough. What is not asked for is not compared."""
    return (not wanted.cpu or wanted.cpu <= cpu + SLACK) and (not wanted.memory or wanted.memory <= memory)


def attributes_of(worker: Worker) -> dict[str, str]:
    return {**worker.attributes, _POOL: worker.pool}


def matches(worker: Worker, shape: Shape) -> bool:
    if not shape.constraints:
        return True
    attributes = attributes_of(worker)
    return all(met(constraint, attributes) for constraint in shape.constraints)


def met(constraint: Constraint, attributes: Mapping[str, str]) -> bool:
    """Does the attribute compare so? One that is absent meets NE and NOT_EXISTS only."""
    value = attributes.get(constraint.key)
    match constraint.op:
        case ConstraintOp.EXISTS:
            return value is not None
        case ConstraintOp.NOT_EXISTS:
            return value is None
        case ConstraintOp.NE:
            return value != constraint.values[0]
        case ConstraintOp.EQ | ConstraintOp.IN:
            return value in constraint.values
        case _:
            return value is not None and _compare(constraint, value)


def _compare(constraint: Constraint, value: str) -> bool:
    try:
        number = float(value)
    except ValueError:
        return False
    bound = float(constraint.values[0])
    match constraint.op:
        case ConstraintOp.GT:
            return number > bound
        case ConstraintOp.GE:
            return number >= bound
        case ConstraintOp.LT:
            return number < bound
    return number <= bound


def never(shape: Shape, pools: Sequence[PoolSpec], workers: Sequence[Worker]) -> str:
    """Why no pool can hold this shape, now or later; empty while one of them might."""
    known = [_Known(pool, [worker for worker in workers if worker.pool == pool.name]) for pool in pools]
    strangers = [worker for worker in workers if worker.pool not in {pool.name for pool in pools}]
    known += [_Known(PoolSpec(name, None, 0), [w for w in strangers if w.pool == name])
              for name in dict.fromkeys(worker.pool for worker in strangers)]  # fmt: skip
    reasons = [one.why_never(shape) for one in known]
    if not reasons or not all(reasons):
        return ""
    wanted = " and ".join(map(str, shape.constraints))
    what = f"{shape.resources} with {wanted}" if wanted else str(shape.resources)
    return f"no pool can ever hold {what}: {'; '.join(reasons)}"


class _Known:
    """A pool with what is known of its workers."""

    def __init__(self, pool: PoolSpec, workers: Sequence[Worker]) -> None:
        self.name = pool.name
        self._workers = workers
        self._sizes = [worker.resources for worker in workers]
        if pool.resources is not None:
            self._sizes.append(pool.resources)
        self._full = pool.max and len(workers) >= pool.max

    def why_never(self, shape: Shape) -> str:
        """Empty while this pool might hold it: a pool with unknown workers might hold anything."""
        by_pool = [one for one in shape.constraints if one.key == _POOL]
        if not all(met(one, {_POOL: self.name}) for one in by_pool):
            return f"pool {self.name} is another one"
        if not self._sizes:
            return ""
        if not any(fits(shape.resources, size.cpu, size.memory) for size in self._sizes):
            return f"pool {self.name} has workers of {self._largest()}"
        others = [str(one) for one in shape.constraints if one.key != _POOL]
        if others and self._full and not any(matches(worker, shape) for worker in self._workers):
            return f"pool {self.name} is complete without such a worker"
        return ""

    def _largest(self) -> ResourceSpec:
        return ResourceSpec(max(size.cpu for size in self._sizes), max(size.memory for size in self._sizes))
