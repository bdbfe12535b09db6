"""FakeCloud and FakeMachines: a directory that stands for a cloud, for tests of who asks for machines."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from iris_api.errors import Denied, NoCapacity, PlatformError
from iris_api.platform import Machines, Slice, SliceRequest, SliceState

__all__ = ["FakeCloud", "FakeMachines"]


class FakeCloud:
    """All that is given the same directory, in any process, is the same cloud: its slices and its settings.

    `clock` gives seconds; with that of a :class:`~iris_api.testing.VirtualClock` machines boot when a test
    says so.
    """

    def __init__(self, directory: Path, clock: Callable[[], float] = time.time) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._file, self._lock = directory / "cloud.json", directory / "lock"
        self._clock = clock

    def limit(self, room: int | None) -> None:
        """How many machines there can be at a time; None: any number."""
        with self._changing() as state:
            state["room"] = room

    def deny(self, why: str) -> None:
        """Refuse to make anything, for want of a right; an empty text makes an end of that."""
        with self._changing() as state:
            state["denied"] = why

    def fail(self, why: str) -> None:
        """Break every call; an empty text mends it."""
        with self._changing() as state:
            state["broken"] = why

    def slow_down(self, boot: float, shutdown: float = 0.0) -> None:
        """Seconds from the creation of a slice until it is READY, and from its deletion until it is gone."""
        with self._changing() as state:
            state["boot"], state["shutdown"] = boot, shutdown

    def cut_down(self, slice_id: str, why: str = "reclaimed") -> None:
        """Take a slice away from whoever has it: it has FAILED, and takes no room."""
        with self._changing() as state:
            for kept in state["slices"]:
                if kept["id"] == slice_id:
                    kept["failed"] = why

    def exists(self, slice_id: str) -> bool:
        """Whether the cloud has anything of a slice of any cluster, asked of itself."""
        with self._changing() as state:
            return any(kept["id"] == slice_id for kept in state["slices"])

    def machines(self) -> int:
        """How many there are now, of all clusters."""
        with self._changing() as state:
            return _taken(state)

    def add(self, cluster: str, request: SliceRequest) -> Slice:
        """What :meth:`FakeMachines.create` does."""
        with self._changing() as state:
            _check(state["broken"], PlatformError)
            _check(state["denied"], Denied)
            kept = _find(state, cluster, request.slice_id)
            if kept is None:
                _check(_lacking(state, request), NoCapacity)
                kept = self._keep(cluster, request)
                state["slices"].append(kept)
            return self._seen(state, kept)

    def of(self, cluster: str) -> list[Slice]:
        """What :meth:`FakeMachines.list` does."""
        with self._changing() as state:
            _check(state["broken"], PlatformError)
            return [self._seen(state, kept) for kept in state["slices"] if kept["cluster"] == cluster]

    def remove(self, cluster: str, slice_id: str) -> None:
        """What :meth:`FakeMachines.delete` does."""
        with self._changing() as state:
            _check(state["broken"], PlatformError)
            kept = _find(state, cluster, slice_id)
            if kept is not None and kept["deleted"] is None:
                kept["deleted"] = self._clock()

    def _keep(self, cluster: str, request: SliceRequest) -> dict[str, Any]:
        return {
            "cluster": cluster,
            "id": request.slice_id,
            "pool": request.pool,
            "size": request.size,
            "made": self._clock(),
            "deleted": None,
            "failed": "",
        }

    def _seen(self, state: dict[str, Any], kept: dict[str, Any]) -> Slice:
        look = SliceState.READY if self._clock() - kept["made"] >= state["boot"] else SliceState.CREATING
        if kept["failed"]:
            look = SliceState.FAILED
        if kept["deleted"] is not None:
            look = SliceState.DELETING
        names = (f"{kept['id']}-{index}.test" for index in range(kept["size"]))
        return Slice(
            slice_id=kept["id"],
            pool=kept["pool"],
            state=look,
            addresses=tuple(names) if look is SliceState.READY else (),
            message=kept["failed"],
        )

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        """The state, for this thread of this process alone; changes to it are kept."""
        with self._lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = self._load()
            yield state
            draft = self._file.with_suffix(f".{os.getpid()}")
            draft.write_text(json.dumps(state))
            draft.replace(self._file)

    def _load(self) -> dict[str, Any]:
        state: dict[str, Any] = {"room": None, "denied": "", "broken": "", "boot": 0.0, "shutdown": 0.0}
        state["slices"] = []
        if self._file.exists():
            state.update(json.loads(self._file.read_text()))
        now, shutdown = self._clock(), state["shutdown"]
        state["slices"] = [
            kept for kept in state["slices"] if kept["deleted"] is None or now - kept["deleted"] < shutdown
        ]
        return state


class FakeMachines(Machines):
    """The slices of one cluster in a :class:`FakeCloud`. Any number of these may be there at a time."""

    def __init__(self, cloud: FakeCloud, cluster: str = "default") -> None:
        self.cloud, self.cluster = cloud, cluster

    def create(self, request: SliceRequest) -> Slice:
        return self.cloud.add(self.cluster, request)

    def list(self) -> Sequence[Slice]:
        return self.cloud.of(self.cluster)

    def delete(self, slice_id: str) -> None:
        self.cloud.remove(self.cluster, slice_id)

    def close(self) -> None:
        """Nothing is held open."""


def _find(state: dict[str, Any], cluster: str, slice_id: str) -> dict[str, Any] | None:
    for kept in state["slices"]:
        if (kept["cluster"], kept["id"]) == (cluster, slice_id):
            found: dict[str, Any] = kept
            return found
    return None


def _taken(state: dict[str, Any]) -> int:
    return sum(kept["size"] for kept in state["slices"] if not kept["failed"])


def _lacking(state: dict[str, Any], request: SliceRequest) -> str:
    left = None if state["room"] is None else max(0, state["room"] - _taken(state))
    if left is None or request.size <= left:
        return ""
    return f"there is room for {left} machines, and slice {request.slice_id} has {request.size}"


def _check(why: str, error: type[PlatformError]) -> None:
    if why:
        raise error(why)
