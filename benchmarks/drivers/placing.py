"""The pure rules on many waiting tasks and many workers: a full pass, and a turn with one change."""

from __future__ import annotations

import functools
import itertools
import statistics
import time
from collections.abc import Callable
from typing import Final

from benchmarks.drivers.protocol import answers, serve
from iris.cli._up import make_room
from iris_api.jobs import Entry, JobSpec, TaskState
from iris_api.platform import Exit, ExitKind
from iris_api.resources import ResourceSpec
from iris_controller.clock import Now, system_clock
from iris_controller.room import Room
from iris_controller.rows import Attempt
from iris_controller.rules import Rules
from iris_controller.schedule import schedule
from iris_controller.state import Draft, Index, State
from iris_controller.step import apply, place_all
from iris_controller.transitions.submit import Submit, submit
from iris_controller.transitions.workers import Observed, Report, observe

_RULES: Final = Rules()
_SHAPES: Final = 10
_CHANGES: Final = 51
_EXIT: Final = Exit(kind=ExitKind.EXITED, code=0)


def full(tasks: int, workers: int, cpu: float = 64.0) -> dict[str, float]:
    """Seconds to find places for `tasks`, in jobs of 100 of ten shapes, on workers of so many cores; nothing
    is placed yet."""
    state = State()
    _turn(state, *(_joins(number, cpu) for number in range(workers)))
    _submit(state, tasks)
    make_room()  # as a controller does
    took, placed = [], 0
    for _ in range(3):
        room = Room.of(state)  # a controller keeps it from turn to turn
        began = time.perf_counter()
        plan = schedule(state, _RULES, system_clock(), room)
        took.append(time.perf_counter() - began)
        placed = len(plan.assignments)
    return {"seconds": statistics.median(took), "placed": placed}


def change(tasks: int, workers: int) -> dict[str, float]:
    """Seconds of a turn in which one of `workers`, all of them full, reports an end, so that one of `tasks`
    gets its place; the median and the longest of many."""
    state = State()
    _turn(state, *(_joins(number, 1.0) for number in range(workers)))
    _submit(state, workers, shapes=1)
    _turn(state, place=True)
    _submit(state, tasks, shapes=1)
    _turn(state, place=True)
    make_room()
    took = []
    for number in range(_CHANGES):
        (uid,) = state.walk(Index.HELD, f"w-{number}")
        report = _report(number, 1.0, sequence=2, attempts={uid: _ended()})
        began = time.perf_counter()
        _turn(state, _observes(report), place=True)
        took.append(time.perf_counter() - began)
        (taken,) = state.walk(Index.HELD, f"w-{number}")
        assert state.get(Attempt, taken).state is TaskState.ASSIGNED
    return {"seconds": statistics.median(took), "longest": max(took)}


_names = itertools.count()


def _submit(state: State, tasks: int, shapes: int = _SHAPES) -> None:
    for number in range(tasks // 100):
        spec = JobSpec(
            name=f"job-{next(_names)}",
            entry=Entry(argv=("true",)),
            resources=ResourceSpec(1 + number % shapes * 0.25, "1MB"),
            replicas=100,
        )
        _turn(state, _submits(Submit(spec=spec)))


def _submits(request: Submit) -> Callable[[Draft, Now], object]:
    return lambda draft, now: submit(draft, request, str, now, _RULES)


def _joins(number: int, cpu: float) -> Callable[[Draft, Now], None]:
    return _observes(_report(number, cpu, sequence=1, attempts={}))


def _observes(report: Report) -> Callable[[Draft, Now], None]:
    return lambda draft, now: observe(draft, report, now)


def _report(number: int, cpu: float, *, sequence: int, attempts: dict[str, Observed]) -> Report:
    return Report(
        worker=f"w-{number}",
        incarnation="one",
        sequence=sequence,
        pool="default",
        resources=_size(cpu),
        attempts=attempts,
    )


@functools.cache
def _size(cpu: float) -> ResourceSpec:
    """One object for all workers of a size, as a controller has it that hears from them."""
    return ResourceSpec(cpu, "64GB")


def _ended() -> Observed:
    return Observed(state=TaskState.RUNNING, exit=_EXIT, started=time.time())


def _turn(state: State, *commands: Callable[[Draft, Now], object], place: bool = False) -> None:
    """What the control loop does, but for the store."""
    now, draft = system_clock(), Draft(state)
    for outcome in apply(draft, commands, now):
        if outcome.error is not None:
            raise outcome.error
    if place:
        place_all(draft, _RULES, now)
    draft.changes()
    state.merge(draft)


if __name__ == "__main__":
    serve(answers(), {"full": full, "change": change})
