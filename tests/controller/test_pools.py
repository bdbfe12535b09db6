"""PoolKeeper: keeps the minimum, backs off, and stops where asking again is of no use."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

from iris_api.errors import Denied, NoCapacity
from iris_api.ids import check_label
from iris_api.platform import Machines, Slice, SliceRequest, SliceState
from iris_api.testing import VirtualClock, wait_for_condition
from iris_controller.pools import Plan, Pool, PoolKeeper, Wait, plan


class FakeMachines(Machines):
    """Machines that obey at once, or fail as they are told."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.slices: dict[str, Slice] = {}
        self.failure = failure
        self.asked = 0

    def create(self, request: SliceRequest) -> Slice:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        return self.slices.setdefault(
            request.slice_id, Slice(slice_id=request.slice_id, pool=request.pool, state=SliceState.CREATING)
        )

    def list(self) -> Sequence[Slice]:
        return list(self.slices.values())

    def delete(self, slice_id: str) -> None:
        self.slices.pop(slice_id, None)


def a_slice(name: str, state: SliceState, pool: str = "p") -> Slice:
    return Slice(slice_id=name, pool=pool, state=state)


FAILED = a_slice("a", SliceState.FAILED)
POOL = Pool(name="p", min=2, max=3)


@pytest.mark.parametrize(
    ("slices", "wanted"),
    [
        ([], Plan(2)),
        ([a_slice("a", SliceState.CREATING)], Plan(1)),
        ([a_slice("a", SliceState.READY), a_slice("b", SliceState.READY)], Plan()),
        ([FAILED, a_slice("b", SliceState.READY)], Plan(1, (FAILED,))),
        ([a_slice("a", SliceState.DELETING), a_slice("b", SliceState.READY)], Plan(1)),
        ([a_slice("a", SliceState.READY, "other")], Plan(2)),
        ([a_slice(name, SliceState.READY) for name in "abcd"], Plan()),
    ],
)
def test_a_plan_brings_a_pool_to_its_minimum(slices: list[Slice], wanted: Plan) -> None:
    assert plan(POOL, slices, Wait(), 0.0) == wanted


def test_nothing_is_made_beyond_the_maximum() -> None:
    assert plan(Pool(name="p", min=5, max=1), [], Wait(), 0.0) == Plan(1)


def test_nothing_is_made_before_the_wait_is_over() -> None:
    wait = Wait(failures=1, until=5.0)
    assert (plan(POOL, [], wait, 4.9), plan(POOL, [], wait, 5.0)) == (Plan(), Plan(2))


def keeper(machines: Machines, clock: VirtualClock) -> tuple[PoolKeeper, Pool]:
    pool = Pool(name="p", machines=machines, min=1)
    return PoolKeeper([pool], clock=clock.now), pool


def test_no_capacity_backs_off_longer_each_time() -> None:
    clock, machines = VirtualClock(), FakeMachines(NoCapacity("zone is full"))
    kept, pool = keeper(machines, clock)
    pauses = []
    for _ in range(4):
        kept.step(pool)
        pauses.append(kept.waits()["p"].until - clock.now())
        clock.advance(pauses[-1])
    assert pauses == [1.0, 2.0, 4.0, 8.0]
    machines.failure = None
    kept.step(pool)
    assert kept.waits()["p"] == Wait()


def test_a_refusal_stops_and_tells(caplog: pytest.LogCaptureFixture) -> None:
    clock, error = VirtualClock(), Denied("no right to create")
    error.add_note("plugin 'cloud'")
    machines = FakeMachines(error)
    kept, pool = keeper(machines, clock)
    with caplog.at_level(logging.WARNING, "iris.pools"):
        for _ in range(3):
            kept.step(pool)
            clock.advance(10_000)
    assert machines.asked == 1
    (record,) = caplog.records
    assert "no right to create (plugin 'cloud'); nothing more is made" in record.getMessage()


def test_a_keeper_fills_pools_in_the_background() -> None:
    machines = FakeMachines()
    kept = PoolKeeper([Pool(name="p", machines=machines, min=2, max=2), Pool(name="by-hand")])
    kept.start()
    wait_for_condition(lambda: len(machines.slices) == 2)
    kept.stop()
    assert len(machines.slices) == 2


def test_a_slice_that_failed_is_replaced() -> None:
    clock, machines = VirtualClock(), FakeMachines()
    kept, pool = keeper(machines, clock)
    kept.step(pool)
    (name,) = machines.slices
    machines.slices[name] = a_slice(name, SliceState.FAILED)
    kept.step(pool)
    assert list(machines.slices) != [name]
    assert len(machines.slices) == 1


def test_the_names_of_a_slices_machines_are_labels() -> None:
    """Also of a pool whose own name is as long as a label may be."""
    machines, clock = FakeMachines(), VirtualClock()
    pool = Pool(name="p" * 45 + "-" * 17 + "x", machines=machines, min=1, size=1000)
    PoolKeeper([pool], clock=clock.now).step(pool)
    (slice_id,) = machines.slices
    assert check_label(f"{slice_id}-99999", "machine")
    assert len(slice_id) <= 57
