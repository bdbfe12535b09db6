"""Makers of machines with one thing broken in each, and the rule of the kit that has to find it."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Final

import pytest
from attrs import evolve

from iris_api.errors import NoCapacity, PlatformError
from iris_api.ids import new_id
from iris_api.platform import Machines, Slice, SliceRequest, SliceState
from iris_api.testing import FakeCloud, FakeMachines
from tests.kit.fakes import FakeMachinesKit

__all__ = ["BUGS", "BuggyMachinesKit", "Closeless", "Healthy"]


class BuggyMachinesKit(FakeMachinesKit):
    """Less patient, so that what never comes is found soon."""

    @pytest.fixture
    def prompt(self) -> float:
        return 0.5

    @pytest.fixture
    def patience(self) -> float:
        return 0.3


class Healthy(FakeMachines):
    """Nothing is broken."""


class ForgetsOnRestart(FakeMachines):
    """What it has made is in its memory only."""

    def __init__(self, cloud: FakeCloud, cluster: str = "default") -> None:
        super().__init__(cloud, cluster)
        self._mine: dict[str, Slice] = {}

    def create(self, request: SliceRequest) -> Slice:
        return self._mine.setdefault(request.slice_id, super().create(request))

    def list(self) -> Sequence[Slice]:
        return [one for one in super().list() if one.slice_id in self._mine]


class SeesOtherClusters(FakeMachines):
    """It labels nothing with its cluster."""

    def __init__(self, cloud: FakeCloud, cluster: str = "default") -> None:
        super().__init__(cloud, "all")


class ListsOtherClusters(FakeMachines):
    """It labels, and does not filter by the label."""

    def list(self) -> Sequence[Slice]:
        return [*super().list(), Slice(slice_id="theirs", pool="p", state=SliceState.READY)]


class DeletesInOtherClusters(FakeMachines):
    """It deletes by the id alone."""

    def delete(self, slice_id: str) -> None:
        super().delete(slice_id)
        self.cloud.cut_down(slice_id)


class BlocksInCreate(FakeMachines):
    """It waits for the boot."""

    def create(self, request: SliceRequest) -> Slice:
        made = super().create(request)
        threading.Event().wait(0.8)
        return made


class MakesASecond(FakeMachines):
    """Each create is a new machine."""

    def create(self, request: SliceRequest) -> Slice:
        if any(one.slice_id == request.slice_id for one in self.list()):
            super().create(evolve(request, slice_id=new_id("again")))
        return super().create(request)


class HidesTheSecond(FakeMachines):
    """Each create is a new machine, of the same id, and the list shows an id once."""

    def create(self, request: SliceRequest) -> Slice:
        if self.cloud.exists(request.slice_id):
            return self.cloud.add(f"{self.cluster}-again", request)
        return super().create(request)

    def list(self) -> Sequence[Slice]:
        found = [*super().list(), *self.cloud.of(f"{self.cluster}-again")]
        return list({one.slice_id: one for one in found}.values())

    def delete(self, slice_id: str) -> None:
        if any(one.slice_id == slice_id for one in super().list()):
            super().delete(slice_id)
        else:
            self.cloud.remove(f"{self.cluster}-again", slice_id)


class RacesForTheSecond(HidesTheSecond):
    """As before, where two look at once whether it is there."""

    def create(self, request: SliceRequest) -> Slice:
        there = self.cloud.exists(request.slice_id)
        threading.Event().wait(0.05)  # a look takes its time
        return FakeMachines.create(self, request) if there else super().create(request)


class RefusesTheSecond(FakeMachines):
    """An id that is taken is an error."""

    def create(self, request: SliceRequest) -> Slice:
        if any(one.slice_id == request.slice_id for one in self.list()):
            raise PlatformError(f"{request.slice_id} is there already")
        return super().create(request)


class MissesUnknown(FakeMachines):
    """It cannot delete what is not there."""

    def delete(self, slice_id: str) -> None:
        if all(one.slice_id != slice_id for one in self.list()):
            raise PlatformError(f"there is no slice {slice_id}")
        super().delete(slice_id)


class DeletesAll(FakeMachines):
    """It takes a whole pool down for one slice of it."""

    def delete(self, slice_id: str) -> None:
        for one in self.list():
            super().delete(one.slice_id)


class OnlyHides(FakeMachines):
    """What is deleted is shown no more, and runs on."""

    def __init__(self, cloud: FakeCloud, cluster: str = "default") -> None:
        super().__init__(cloud, cluster)
        self._hidden: set[str] = set()

    def delete(self, slice_id: str) -> None:
        self._hidden.add(slice_id)

    def list(self) -> Sequence[Slice]:
        return [one for one in super().list() if one.slice_id not in self._hidden]


class NeverGone(FakeMachines):
    """What is deleted is said to be going, and runs on."""

    def __init__(self, cloud: FakeCloud, cluster: str = "default") -> None:
        super().__init__(cloud, cluster)
        self._going: set[str] = set()

    def delete(self, slice_id: str) -> None:
        self._going.add(slice_id)

    def list(self) -> Sequence[Slice]:
        return [
            evolve(one, state=SliceState.DELETING) if one.slice_id in self._going else one
            for one in super().list()
        ]


class BlocksInDelete(FakeMachines):
    """It waits for the end."""

    def delete(self, slice_id: str) -> None:
        super().delete(slice_id)
        threading.Event().wait(0.8)


class CloseDeletes(FakeMachines):
    """It tidies up."""

    def close(self) -> None:
        for one in self.list():
            self.delete(one.slice_id)


class Closeless(Machines):
    """Healthy, but nothing tells how it is closed."""

    def __init__(self, cloud: FakeCloud, cluster: str = "default") -> None:
        self._inner = FakeMachines(cloud, cluster)

    def create(self, request: SliceRequest) -> Slice:
        return self._inner.create(request)

    def list(self) -> Sequence[Slice]:
        return self._inner.list()

    def delete(self, slice_id: str) -> None:
        self._inner.delete(slice_id)


class KeepsHalf(FakeMachines):
    """It makes machine after machine, and leaves those that it has when there is no room for the next."""

    def create(self, request: SliceRequest) -> Slice:
        try:
            return super().create(request)
        except NoCapacity:
            self.cloud.add("orphans", evolve(request, size=request.size - 1))
            raise


class BareNoCapacity(FakeMachines):
    """The error of the cloud comes out as any other."""

    def create(self, request: SliceRequest) -> Slice:
        try:
            return super().create(request)
        except NoCapacity as error:
            raise PlatformError(str(error)) from error


class DeniedIsNoCapacity(FakeMachines):
    """Whatever fails is taken for want of room."""

    def create(self, request: SliceRequest) -> Slice:
        try:
            return super().create(request)
        except PlatformError as error:
            raise NoCapacity(str(error)) from error


class LeaksForeignErrors(FakeMachines):
    """What the SDK raises comes out unmapped."""

    def create(self, request: SliceRequest) -> Slice:
        try:
            return super().create(request)
        except PlatformError as error:
            raise ConnectionError(str(error)) from error


class ListLeaksForeignErrors(FakeMachines):
    """It maps what the SDK raises, but not everywhere."""

    def list(self) -> Sequence[Slice]:
        try:
            return super().list()
        except PlatformError as error:
            raise ConnectionError(str(error)) from error


class DeleteLeaksForeignErrors(FakeMachines):
    """It maps what the SDK raises, but not everywhere."""

    def delete(self, slice_id: str) -> None:
        try:
            super().delete(slice_id)
        except PlatformError as error:
            raise ConnectionError(str(error)) from error


class CutsTheCluster(FakeMachines):
    """Its labels have 50 characters."""

    def __init__(self, cloud: FakeCloud, cluster: str = "default") -> None:
        super().__init__(cloud, cluster[:50])


class CutsLongIds(FakeMachines):
    """Its names have 40 characters."""

    def create(self, request: SliceRequest) -> Slice:
        return super().create(evolve(request, slice_id=request.slice_id[:40]))


class RemembersTheList(FakeMachines):
    """It asks the cloud once."""

    def __init__(self, cloud: FakeCloud, cluster: str = "default") -> None:
        super().__init__(cloud, cluster)
        self._known: list[Slice] | None = None

    def list(self) -> Sequence[Slice]:
        if self._known is None:
            self._known = list(super().list())
        return self._known


class NotForThreads(FakeMachines):
    """One call at a time, and it is not guarded."""

    def __init__(self, cloud: FakeCloud, cluster: str = "default") -> None:
        super().__init__(cloud, cluster)
        self._busy = False

    def create(self, request: SliceRequest) -> Slice:
        if self._busy:
            raise RuntimeError("the connection is in use")
        self._busy = True
        try:
            time.sleep(0.01)  # a call takes its time
            return super().create(request)
        finally:
            self._busy = False


class ListsMachineByMachine(FakeMachines):
    """A slice of several is listed machine by machine."""

    def list(self) -> Sequence[Slice]:
        return [one for one in super().list() for _ in range(max(1, self.cloud.machines()))]


class ListsThePool(FakeMachines):
    """Of several pools it lists one."""

    def list(self) -> Sequence[Slice]:
        return [one for one in super().list() if one.pool == "cpu"]


class MissesTheSecondDelete(FakeMachines):
    """What is gone already cannot go."""

    def __init__(self, cloud: FakeCloud, cluster: str = "default") -> None:
        super().__init__(cloud, cluster)
        self._gone: set[str] = set()

    def delete(self, slice_id: str) -> None:
        if slice_id in self._gone:
            raise PlatformError(f"{slice_id} is being deleted")
        self._gone.add(slice_id)
        super().delete(slice_id)


class MixesUpThreads(FakeMachines):
    """The id of a delete is kept where the next thread finds it."""

    def delete(self, slice_id: str) -> None:
        self._deleting = slice_id
        time.sleep(0.02)  # a call takes its time
        super().delete(self._deleting)


class HasATemplateOfAnyKind(FakeMachines):
    """A pool's table cannot be structured into it."""

    template = dict


BUGS: Final[dict[type[FakeMachines], str]] = {
    ForgetsOnRestart: "list_after_its_maker_died",
    SeesOtherClusters: "list_shows_no_other_cluster",
    CutsTheCluster: "list_shows_no_other_cluster",
    ListsOtherClusters: "list_shows_no_other_cluster",
    DeletesInOtherClusters: "delete_touches_no_other_cluster",
    BlocksInCreate: "create_returns_before_boot",
    MakesASecond: "create_twice",
    HidesTheSecond: "create_twice",
    RacesForTheSecond: "same_id_from_several_threads",
    RefusesTheSecond: "create_again_after_its_maker_died",
    MissesUnknown: "delete_unknown",
    DeletesAll: "delete_takes_one_slice",
    OnlyHides: "deleted_slice_is_deleting_or_absent",
    NeverGone: "deleted_slice_is_deleting_or_absent",
    BlocksInDelete: "deleted_slice_is_deleting_or_absent",
    CloseDeletes: "close_deletes_nothing",
    KeepsHalf: "slice_is_all_or_nothing",
    BareNoCapacity: "no_capacity",
    DeniedIsNoCapacity: "denied",
    ListLeaksForeignErrors: "other_failures",
    DeleteLeaksForeignErrors: "other_failures",
    LeaksForeignErrors: "other_failures",
    CutsLongIds: "ids_are_kept_unchanged",
    RemembersTheList: "two_instances_agree",
    NotForThreads: "same_id_from_several_threads",
    ListsThePool: "list_shows_every_slice",
    MissesTheSecondDelete: "delete_twice",
    MixesUpThreads: "other_ids_from_several_threads",
    HasATemplateOfAnyKind: "template_is_an_attrs_class",
    ListsMachineByMachine: "slice_of_several_is_one",
}
