"""Machines: failures, which a caller tells apart by their class."""

from __future__ import annotations

from typing import Any

import pytest

from iris_api.errors import Denied, NoCapacity, PlatformError
from iris_api.platform import Machines, SliceState
from iris_api.testing.conformance._machines_rules import ALIVE, Exists, MachinesBase, request_of, seen
from iris_api.testing.conformance.base import given, needs, override
from iris_api.testing.waiting import wait_for_condition

__all__ = ["MachinesFailures"]


class MachinesFailures(MachinesBase):
    """The core backs off on NoCapacity, stops and tells on Denied, and tries again later on the rest."""

    @pytest.fixture
    @given(required=True, ability="no_capacity")
    def machines_without_room(self) -> Machines:
        """A Machines whose backend has no room for a single machine."""
        return override("machines_without_room")  # type: ignore[no-any-return]

    @pytest.fixture
    @given(required=True, ability="denied")
    def machines_denied(self) -> Machines:
        """A Machines that lacks the right to make a machine."""
        return override("machines_denied")  # type: ignore[no-any-return]

    @pytest.fixture
    @given(required=True, ability="failure")
    def machines_failing(self) -> Machines:
        """A Machines whose backend fails for another reason."""
        return override("machines_failing")  # type: ignore[no-any-return]

    @pytest.fixture
    @given(required=True, ability="little_room")
    def machines_with_room_for_one(self) -> Machines:
        """A Machines whose backend has room for exactly one machine."""
        return override("machines_with_room_for_one")  # type: ignore[no-any-return]

    @needs("no_capacity")
    def test_no_capacity(self, machines_without_room: Machines, template: Any) -> None:
        """Where there is no room now `create` raises NoCapacity, with a reason, and nothing is made."""
        request = request_of(template)
        with pytest.raises(PlatformError) as raised:
            machines_without_room.create(request)
        assert isinstance(raised.value, NoCapacity)
        assert str(raised.value)
        assert seen(machines_without_room, request.slice_id) is None

    @needs("denied")
    def test_denied(self, machines_denied: Machines, template: Any) -> None:
        """Where a right is missing `create` raises Denied, with a reason."""
        with pytest.raises(PlatformError) as raised:
            machines_denied.create(request_of(template))
        assert isinstance(raised.value, Denied)
        assert str(raised.value)

    @needs("failure")
    def test_other_failures(self, machines_failing: Machines, template: Any) -> None:
        """Any other failure is a PlatformError with a reason, neither NoCapacity nor Denied; `list` and
        `delete` succeed meanwhile, or fail in the same way."""
        request = request_of(template)
        with pytest.raises(PlatformError) as raised:
            machines_failing.create(request)
        _assert_plain(raised.value)
        for call in (machines_failing.list, lambda: machines_failing.delete(request.slice_id)):
            try:
                call()
            except PlatformError as error:
                _assert_plain(error)

    @needs("little_room")
    def test_slice_is_all_or_nothing(
        self, machines_with_room_for_one: Machines, template: Any, exists: Exists | None, patience: float
    ) -> None:
        """A slice of two where there is room for one is refused or FAILED; nothing of it stays, and the room
        is free for a slice of one."""
        machines = machines_with_room_for_one
        request = request_of(template, size=2)
        try:
            machines.create(request)
        except PlatformError:
            assert seen(machines, request.slice_id) is None
        else:
            what = f"slice {request.slice_id} to fail"
            wait_for_condition(lambda: _has_failed(machines, request.slice_id), patience, message=what)
            machines.delete(request.slice_id)
        if exists is not None:
            what = f"the backend to have nothing of {request.slice_id}"
            wait_for_condition(lambda: not exists(request.slice_id), patience, message=what)
        made = machines.create(request_of(template))
        assert made.state in ALIVE
        machines.delete(made.slice_id)


def _assert_plain(error: PlatformError) -> None:
    assert not isinstance(error, NoCapacity | Denied)
    assert str(error)


def _has_failed(machines: Machines, slice_id: str) -> bool:
    found = seen(machines, slice_id)
    assert found is None or found.state is not SliceState.READY, "half a slice is READY"
    return found is None or found.state is SliceState.FAILED
