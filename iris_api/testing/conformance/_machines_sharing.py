"""Machines: what other processes and other clusters see of a slice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iris_api.platform import Machines, SliceState
from iris_api.testing.conformance._calls import run_and_kill
from iris_api.testing.conformance._machines_rules import (
    ALIVE,
    Exists,
    MachinesBase,
    MakeMachines,
    request_of,
    seen,
)
from iris_api.testing.conformance.base import needs

__all__ = ["MachinesSharing"]

_KILLED = 60.0  # seconds for a process to make a slice and be killed


class MachinesSharing(MachinesBase):
    """The backend is the only source of truth; the object keeps none."""

    def test_list_after_its_maker_died(
        self, make_machines: MakeMachines, cluster: str, template: Any, exists: Exists | None
    ) -> None:
        """A slice is listed by the next process when the one that made it was killed right after, and can be
        deleted by it."""
        request = request_of(template)
        run_and_kill(lambda: make_machines(cluster).create(request), _KILLED)
        machines = make_machines(cluster)
        found = seen(machines, request.slice_id)
        assert found is not None, f"list shows nothing of {request.slice_id}, whose maker was killed"
        assert (found.pool, found.state in ALIVE) == (request.pool, True)
        assert exists is None or exists(request.slice_id)
        machines.delete(request.slice_id)
        left = seen(machines, request.slice_id)
        assert left is None or left.state is SliceState.DELETING

    def test_create_again_after_its_maker_died(
        self, make_machines: MakeMachines, cluster: str, template: Any
    ) -> None:
        """When the maker was killed, and nobody knows whether its `create` has arrived, the next process
        calls it again, and there is one slice."""
        request = request_of(template)
        run_and_kill(lambda: make_machines(cluster).create(request), _KILLED)
        machines = make_machines(cluster)
        machines.create(request)
        assert [one.slice_id for one in machines.list()] == [request.slice_id]

    def test_list_shows_no_other_cluster(
        self, make_machines: MakeMachines, cluster: str, other_cluster: str, template: Any
    ) -> None:
        """A cluster sees its own slices and nobody else's."""
        own, others = make_machines(cluster), make_machines(other_cluster)
        made, theirs = own.create(request_of(template)), others.create(request_of(template))
        assert [one.slice_id for one in own.list()] == [made.slice_id]
        assert [one.slice_id for one in others.list()] == [theirs.slice_id]

    def test_delete_touches_no_other_cluster(
        self, make_machines: MakeMachines, cluster: str, other_cluster: str, template: Any
    ) -> None:
        """To a cluster the slice of another is an unknown id: its delete is fine, and does nothing."""
        others = make_machines(other_cluster)
        theirs = others.create(request_of(template))
        make_machines(cluster).delete(theirs.slice_id)
        found = seen(others, theirs.slice_id)
        assert found is not None
        assert found.state in ALIVE

    @needs("shared")
    def test_two_instances_agree(self, make_machines: MakeMachines, cluster: str, template: Any) -> None:
        """What one object of a cluster makes or deletes, another sees at once."""
        one, two = make_machines(cluster), make_machines(cluster)
        assert list(one.list()) == list(two.list()) == []
        request = request_of(template)
        one.create(request)
        assert seen(two, request.slice_id) is not None
        two.create(request)
        assert [found.slice_id for found in one.list()] == [request.slice_id]
        two.delete(request.slice_id)
        left = seen(one, request.slice_id)
        assert left is None or left.state is SliceState.DELETING

    def test_close_deletes_nothing(
        self,
        make_machines: MakeMachines,
        close_machines: Callable[[Machines], None],
        cluster: str,
        template: Any,
        exists: Exists | None,
    ) -> None:
        """`Platform.close` releases the object; the slices stay, for the next one."""
        first = make_machines(cluster)
        made = first.create(request_of(template))
        close_machines(first)
        found = seen(make_machines(cluster), made.slice_id)
        assert found is not None
        assert found.state in ALIVE
        assert exists is None or exists(made.slice_id)
