"""Why a task waits: derived when asked, from the same rows and rules that place it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from iris_api.jobs import TaskState
from iris_api.resources import ResourceSpec, format_memory
from iris_controller.feasibility import attributes_of, fits, matches, met, never
from iris_controller.rows import Attempt, Shape, Task, Worker
from iris_controller.rules import Rules
from iris_controller.state import View

__all__ = ["Reasons"]


class Reasons:
    """Answers for one moment; tasks of one shape share an answer."""

    def __init__(self, view: View, rules: Rules, mono: float) -> None:
        self._view, self._pools, self._mono = view, rules.pools, mono
        self._workers = [worker for worker in view.rows(Worker) if not worker.lost]
        self._by_shape: dict[Shape, str] = {}

    def of(self, task: Task) -> str:
        """Empty for a task that does not wait."""
        if task.state is not TaskState.PENDING:
            return ""
        if task.not_before > self._mono:
            pause = math.ceil(task.not_before - self._mono)
            last = self._view.get(Attempt, task.attempts[-1]).cause if task.attempts else None
            why = f": {last.message}" if last is not None else ""
            return f"waiting {pause} s after failure {len(task.attempts)}{why}"
        return self.of_shape(task.demand.shape)

    def of_shape(self, shape: Shape) -> str:
        found = self._by_shape.get(shape)
        if found is None:
            found = self._by_shape[shape] = self._explain(shape)
        return found

    def _explain(self, shape: Shape) -> str:
        if not self._workers:
            return "no worker has joined yet"
        matching = [worker for worker in self._workers if matches(worker, shape)]
        if not matching:
            return f"no worker that is here has {self._unmet(shape)}"
        able = [one for one in matching if fits(shape.resources, one.resources.cpu, one.resources.memory)]
        if not able:
            return never(shape, self._pools, self._workers) or (
                f"no worker that is here is large enough for {shape.resources}"
            )
        if any(self._has_room(worker, shape.resources) for worker in able):
            return "a worker has room: it is about to be placed"
        pools = dict.fromkeys(worker.pool for worker in able)
        return "; ".join(self._full([w for w in able if w.pool == pool], shape.resources) for pool in pools)

    def _unmet(self, shape: Shape) -> str:
        for one in shape.constraints:
            if not any(met(one, attributes_of(worker)) for worker in self._workers):
                return str(one)
        return " and ".join(map(str, shape.constraints))

    def _has_room(self, worker: Worker, wanted: ResourceSpec) -> bool:
        used = self._view.used(worker.id)
        return fits(wanted, worker.resources.cpu - used.cpu, worker.resources.memory - used.memory)

    def _full(self, workers: Sequence[Worker], wanted: ResourceSpec) -> str:
        """Of the pool's workers the one with the most free cores stands for all."""
        best = max(workers, key=lambda one: one.resources.cpu - self._view.used(one.id).cpu)
        used = self._view.used(best.id)
        free = best.resources.cpu - used.cpu
        if wanted.cpu > free:
            return (
                f"no worker of pool {best.pool} has {wanted.cpu:g} cpu free now: "
                f"{max(0.0, free):g} of {best.resources.cpu:g} free"
            )
        left = format_memory(max(0, best.resources.memory - used.memory))
        return (
            f"no worker of pool {best.pool} has {format_memory(wanted.memory)} memory free now: "
            f"{left} of {format_memory(best.resources.memory)} free"
        )
