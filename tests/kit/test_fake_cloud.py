"""What the fake cloud can be made to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from iris_api.errors import Denied, NoCapacity, PlatformError
from iris_api.platform import SliceRequest, SliceState
from iris_api.testing import FakeCloud, FakeMachines, VirtualClock


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def cloud(tmp_path: Path, clock: VirtualClock) -> FakeCloud:
    return FakeCloud(tmp_path, clock.now)


def state(cloud: FakeCloud) -> list[SliceState]:
    return [one.state for one in FakeMachines(cloud).list()]


def make(cloud: FakeCloud, slice_id: str = "s1", size: int = 1) -> None:
    FakeMachines(cloud).create(SliceRequest(slice_id=slice_id, pool="p", size=size))


def test_a_slice_boots_and_goes_as_time_passes(cloud: FakeCloud, clock: VirtualClock) -> None:
    cloud.slow_down(boot=60, shutdown=10)
    make(cloud)
    assert state(cloud) == [SliceState.CREATING]
    clock.advance(60)
    assert state(cloud) == [SliceState.READY]
    FakeMachines(cloud).delete("s1")
    assert state(cloud) == [SliceState.DELETING]
    clock.advance(10)
    assert (state(cloud), cloud.exists("s1")) == ([], False)


def test_its_machines_have_addresses_once_they_are_up(cloud: FakeCloud) -> None:
    make(cloud, size=2)
    assert FakeMachines(cloud).list()[0].addresses == ("s1-0.test", "s1-1.test")


def test_what_is_cut_down_has_failed_and_leaves_its_room(cloud: FakeCloud) -> None:
    cloud.limit(2)
    make(cloud, "s1", size=2)
    with pytest.raises(NoCapacity, match="room for 0 machines, and slice s2 has 1"):
        make(cloud, "s2")
    cloud.cut_down("s1", "reclaimed")
    make(cloud, "s2")
    assert state(cloud) == [SliceState.FAILED, SliceState.READY]
    assert (FakeMachines(cloud).list()[0].message, cloud.machines()) == ("reclaimed", 1)


def test_settings_are_those_of_the_directory(cloud: FakeCloud, tmp_path: Path) -> None:
    """Of every process that has it."""
    cloud.deny("not yours")
    with pytest.raises(Denied, match="not yours"):
        make(FakeCloud(tmp_path))
    cloud.deny("")
    make(FakeCloud(tmp_path))


def test_a_broken_cloud_answers_nothing(cloud: FakeCloud) -> None:
    cloud.fail("down")
    for call in (lambda: make(cloud), lambda: state(cloud), lambda: FakeMachines(cloud).delete("s1")):
        with pytest.raises(PlatformError, match="down"):
            call()
