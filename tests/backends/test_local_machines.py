"""Local machines: workers as threads of this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from iris_api.context import Context, WorkerSpec
from iris_api.errors import PlatformError
from iris_api.platform import SliceRequest, SliceState
from iris_backends.local import LocalConfig, LocalPlatform


class FakeWorker:
    def __init__(self, spec: WorkerSpec) -> None:
        self.spec = spec
        self.alive = True

    def is_alive(self) -> bool:
        return self.alive

    def stop(self) -> None:
        self.alive = False


class Place:
    """Runs workers, as a controller's process does. Another on the same `directory` is the next process."""

    def __init__(self, fail_at: int = -1, directory: Path | None = None) -> None:
        self.workers: list[FakeWorker] = []
        self.fail_at = fail_at
        platform = LocalPlatform(LocalConfig(), Context(run_worker=self.run, directory=directory))
        self.machines, self.close = platform.machines, platform.close

    def run(self, spec: WorkerSpec) -> FakeWorker:
        if spec.index == self.fail_at:
            raise OSError("no more")
        self.workers.append(FakeWorker(spec))
        return self.workers[-1]

    def ids(self) -> list[str]:
        return [worker.spec.worker_id for worker in self.workers]


def test_slice_is_as_many_workers() -> None:
    place = Place()
    made = place.machines.create(SliceRequest(slice_id="s1", pool="p", size=2))
    assert place.ids() == ["s1-0", "s1-1"]
    assert (made.state, len(made.addresses)) == (SliceState.READY, 2)
    assert list(place.machines.list()) == [made]


def test_same_slice_again_is_the_same() -> None:
    place = Place()
    request = SliceRequest(slice_id="s1", pool="p")
    assert place.machines.create(request) == place.machines.create(request)
    assert len(place.workers) == 1


def test_slice_of_an_ended_worker_has_failed() -> None:
    place = Place()
    place.machines.create(SliceRequest(slice_id="s1", pool="p", size=2))
    place.workers[0].alive = False
    (found,) = place.machines.list()
    assert (found.state, found.message) == (SliceState.FAILED, "1 of its workers have ended")


def test_no_workers_without_a_controllers_process() -> None:
    with pytest.raises(PlatformError, match="process of a controller"):
        LocalPlatform(LocalConfig(), Context()).machines.create(SliceRequest(slice_id="s1", pool="p"))


def test_next_process_has_the_same_workers(tmp_path: Path) -> None:
    """With the same ids, so that each finds again what it left running; before anything new is made."""
    Place(directory=tmp_path).machines.create(SliceRequest(slice_id="s1", pool="p", size=2))
    place = Place(directory=tmp_path)
    (found,) = place.machines.list()
    assert (found.slice_id, found.pool, found.state) == ("s1", "p", SliceState.READY)
    assert place.ids() == ["s1-0", "s1-1"]


def test_close_deletes_nothing(tmp_path: Path) -> None:
    place = Place(directory=tmp_path)
    place.machines.create(SliceRequest(slice_id="s1", pool="p"))
    place.close()
    assert [worker.alive for worker in place.workers] == [False]
    assert len(Place(directory=tmp_path).machines.list()) == 1


def test_deleted_slice_does_not_come_back(tmp_path: Path) -> None:
    place = Place(directory=tmp_path)
    place.machines.create(SliceRequest(slice_id="s1", pool="p"))
    place.machines.delete("s1")
    assert list(Place(directory=tmp_path).machines.list()) == []


def test_slice_that_cannot_come_back_has_failed(tmp_path: Path) -> None:
    """It is shown with the reason, and can be deleted."""
    Place(directory=tmp_path).machines.create(SliceRequest(slice_id="s1", pool="p"))
    place = Place(fail_at=0, directory=tmp_path)
    (found,) = place.machines.list()
    assert (found.state, found.message) == (SliceState.FAILED, "slice s1 cannot be started: no more")
    place.machines.delete("s1")
    assert list(place.machines.list()) == []
