"""Machines: the fixtures of its rules, and what holds for one object alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import attrs
import pytest

from iris_api.ids import new_id
from iris_api.platform import Machines, Slice, SliceRequest, SliceState
from iris_api.testing.conformance._calls import at_once, within
from iris_api.testing.conformance.base import Conformance, given, override
from iris_api.testing.installed import close_platform_of
from iris_api.testing.waiting import wait_for_condition

__all__ = ["ALIVE", "Exists", "MachinesBase", "MakeMachines", "request_of", "seen"]

MakeMachines = Callable[[str], Machines]
Exists = Callable[[str], bool]
ALIVE = (SliceState.CREATING, SliceState.READY)
_THREADS = 8
_LONG = "a-cluster-whose-name-is-as-long-as-a-label-can-be-xx"  # new_id adds the rest: it differs there


def request_of(template: Any = None, *, pool: str = "cpu", size: int = 1, slice_id: str = "") -> SliceRequest:
    return SliceRequest(slice_id=slice_id or new_id(pool), pool=pool, size=size, template=template)


def seen(machines: Machines, slice_id: str) -> Slice | None:
    """The slice as `list` shows it; the test fails if it does so twice."""
    found = [one for one in machines.list() if one.slice_id == slice_id]
    assert len(found) <= 1, f"list shows slice {slice_id} {len(found)} times"
    return found[0] if found else None


class MachinesBase(Conformance):
    """Each rule makes slices in clusters whose names nobody else uses, and deletes them at its end. There are
    up to 16 machines at a time."""

    kind = "machines"
    abilities: ClassVar[Mapping[str, str]] = {
        "shared": "several processes of one cluster see the same slices at the same time",
        "no_capacity": "want of room is told apart from other failures",
        "denied": "want of a right is told apart from other failures",
        "failure": "a failure of the platform can be brought about in a test",
        "little_room": "there can be room for some of a slice's machines and not for all",
    }

    @pytest.fixture
    @given(required=True)
    def make_machines(self) -> MakeMachines:
        """A function that takes the name of a cluster and returns a new Machines of it, as another process of
        that cluster would make one."""
        return override("make_machines")  # type: ignore[no-any-return]

    @pytest.fixture
    @given()
    def template(self) -> Any:
        """The template of the slices that the rules make, where the platform needs one."""
        return None

    @pytest.fixture
    @given()
    def exists(self) -> Exists | None:
        """A function that asks the backend itself whether it has anything of a slice; None: it cannot be
        asked."""
        return None

    @pytest.fixture
    @given()
    def close_machines(self, request: pytest.FixtureRequest) -> Callable[[Machines], None]:
        """A function that closes what `make_machines` has made, as its owner does. As it is, it calls
        `Platform.close` of what `installed` has made, and the object's own `close` of what else there is."""

        def close(machines: Machines) -> None:
            if not close_platform_of(machines, request.node):
                getattr(machines, "close", _tell_how_to_close)()

        return close

    @pytest.fixture
    @given()
    def prompt(self) -> float:
        """Seconds in which create, list and delete have to return."""
        return 10.0

    @pytest.fixture
    @given()
    def patience(self) -> float:
        """Seconds that a deletion, or a failure after create, may take until it can be seen."""
        return 30.0

    @pytest.fixture
    def cluster(self, make_machines: MakeMachines) -> Iterator[str]:
        name = new_id(_LONG)
        yield name
        _delete_all(make_machines(name))

    @pytest.fixture
    def other_cluster(self, make_machines: MakeMachines) -> Iterator[str]:
        name = new_id(_LONG)
        yield name
        _delete_all(make_machines(name))

    @pytest.fixture
    def machines(self, make_machines: MakeMachines, cluster: str) -> Machines:
        return make_machines(cluster)

    def test_create_returns_before_boot(
        self, machines: Machines, template: Any, prompt: float, exists: Exists | None
    ) -> None:
        """`create` accepts a slice and returns it CREATING or READY; it does not wait for a boot."""
        request = request_of(template)
        made = within(prompt, lambda: machines.create(request), "create")
        assert isinstance(made, Slice)
        assert (made.slice_id, made.pool) == (request.slice_id, request.pool)
        assert made.state in ALIVE
        assert exists is None or exists(request.slice_id)

    def test_create_twice(
        self, machines: Machines, template: Any, exists: Exists | None, patience: float
    ) -> None:
        """`create` with the same id again gives the same slice, and makes no second one: there is none that
        `delete` leaves."""
        request = request_of(template)
        first, second = machines.create(request), machines.create(request)
        assert (second.slice_id, second.pool) == (first.slice_id, first.pool)
        assert [one.slice_id for one in machines.list()] == [request.slice_id]
        machines.delete(request.slice_id)
        _assert_goes(machines, request.slice_id, exists, patience)

    def test_list_shows_every_slice(self, machines: Machines, template: Any) -> None:
        """`list` shows each slice that was made and has not been deleted once, whatever its pool."""
        assert list(machines.list()) == []
        made = [machines.create(request_of(template, pool=pool)) for pool in ("cpu", "cpu", "large")]
        found = machines.list()
        assert {(one.slice_id, one.pool) for one in found} == {(one.slice_id, one.pool) for one in made}
        assert len(found) == len(made)

    @pytest.mark.parametrize("length", [12, 57])
    def test_ids_are_kept_unchanged(self, machines: Machines, template: Any, length: int) -> None:
        """The id and the pool of a slice come back letter for letter, of every length that the core makes: an
        id has at most 57 characters, a pool's name 63."""
        slice_id = f"{'a-0' * 20}"[: length - 11] + new_id("")
        for pool in ("p", "a-9" * 21):
            request = request_of(template, pool=pool, slice_id=slice_id[:-1] + str(len(pool) % 10))
            made = machines.create(request)
            assert (made.slice_id, made.pool) == (request.slice_id, pool)
            found = seen(machines, request.slice_id)
            assert found is not None, f"list does not show {request.slice_id}"
            assert found.pool == pool

    def test_slice_of_several_is_one(self, machines: Machines, template: Any) -> None:
        """A slice of several machines is listed once, and deleted as one."""
        request = request_of(template, size=3)
        machines.create(request)
        found = seen(machines, request.slice_id)
        assert found is not None
        assert len(found.addresses) <= 3
        machines.delete(request.slice_id)
        _assert_going(machines, request.slice_id)

    def test_deleted_slice_is_deleting_or_absent(
        self, machines: Machines, template: Any, prompt: float, exists: Exists | None, patience: float
    ) -> None:
        """`delete` returns at once. From then on the slice is DELETING or not listed, after a while it is not
        listed, and then nothing of it is left."""
        request = request_of(template)
        machines.create(request)
        within(prompt, lambda: machines.delete(request.slice_id), "delete")
        _assert_going(machines, request.slice_id)
        _assert_goes(machines, request.slice_id, exists, patience)

    def test_delete_takes_one_slice(self, machines: Machines, template: Any) -> None:
        """`delete` takes one slice; the others stay as they are."""
        first, second = (machines.create(request_of(template)) for _ in range(2))
        machines.delete(first.slice_id)
        found = seen(machines, second.slice_id)
        assert found is not None
        assert found.state in ALIVE

    def test_delete_unknown(self, machines: Machines) -> None:
        """`delete` of an id that there is not is fine."""
        machines.delete(new_id("unknown"))

    def test_delete_twice(self, machines: Machines, template: Any) -> None:
        """A second `delete` of a slice is fine, also while the first is under way."""
        made = machines.create(request_of(template))
        machines.delete(made.slice_id)
        machines.delete(made.slice_id)
        _assert_going(machines, made.slice_id)

    def test_same_id_from_several_threads(
        self, machines: Machines, template: Any, prompt: float, exists: Exists | None, patience: float
    ) -> None:
        """Eight threads that create the same id at once make one slice, and none that `delete` leaves."""
        request = request_of(template)
        made = at_once(_THREADS * prompt, [lambda: machines.create(request)] * _THREADS, "create")
        assert {one.slice_id for one in made} == {request.slice_id}
        assert [one.slice_id for one in machines.list()] == [request.slice_id]
        machines.delete(request.slice_id)
        _assert_goes(machines, request.slice_id, exists, patience)

    def test_other_ids_from_several_threads(self, machines: Machines, template: Any, prompt: float) -> None:
        """Eight threads that create, list and delete at once do not disturb one another."""

        def make_and_delete() -> str:
            kept, gone = machines.create(request_of(template)), machines.create(request_of(template))
            machines.list()
            machines.delete(gone.slice_id)
            return kept.slice_id

        kept = at_once(4 * _THREADS * prompt, [make_and_delete] * _THREADS, "create, list and delete")
        assert {one.slice_id for one in machines.list() if one.state in ALIVE} == set(kept)

    def test_template_is_an_attrs_class(self, machines: Machines, template: Any) -> None:
        """`template` is None or an attrs class, into which the core structures a pool's table."""
        wanted = machines.template
        assert wanted is None or attrs.has(wanted)
        assert template is None or (wanted is not None and isinstance(template, wanted))


def _tell_how_to_close() -> None:
    how = "make them with the fixture `installed`, or override the fixture 'close_machines'"
    pytest.fail(f"nothing tells how these machines are closed: {how}", pytrace=False)


def _assert_going(machines: Machines, slice_id: str) -> None:
    found = seen(machines, slice_id)
    assert found is None or found.state is SliceState.DELETING


def _assert_goes(machines: Machines, slice_id: str, exists: Exists | None, patience: float) -> None:
    """It is listed no more within `patience` seconds, and then nothing of it is there."""

    def listed() -> bool:
        _assert_going(machines, slice_id)
        return seen(machines, slice_id) is not None

    wait_for_condition(lambda: not listed(), patience, message=f"{slice_id} to be listed no more")
    if exists is not None:
        what = f"the backend to have nothing of {slice_id}, which is listed no more"
        wait_for_condition(lambda: not exists(slice_id), patience, message=what)


def _delete_all(machines: Machines) -> None:
    for one in machines.list():
        machines.delete(one.slice_id)
