"""Frozen: written for version 1 of the plugin interface, and never to be changed.

A folder of orders. Whoever owns the machines starts workers for what is in it.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen
from iris_api.context import Context
from iris_api.errors import Denied, NoCapacity, PlatformError
from iris_api.hookspecs import hookimpl
from iris_api.platform import Machines, Platform, Slice, SliceRequest, SliceState
from iris_api.provider import Provider


@frozen(kw_only=True)
class V1Config:
    """`folder` is where the orders are. `room`: how many machines a cluster may have in it."""

    folder: Path = Path("v1")
    room: int = 64


class V1Machines(Machines):
    """An order is ``<cluster>/<slice id>.json``; its machine i is up once ``<slice id>.<i>.up`` is there."""

    def __init__(self, config: V1Config, cluster: str) -> None:
        self._folder = config.folder / cluster
        self._room = config.room

    def create(self, request: SliceRequest) -> Slice:
        with _told(), self._alone():
            order = self._folder / f"{request.slice_id}.json"
            if not order.exists():  # the same id again is the same slice
                if self._ordered() + request.size > self._room:
                    raise NoCapacity(f"{self._folder} has room for {self._room} machines")
                draft = order.with_suffix(".draft")
                draft.write_text(json.dumps({"pool": request.pool, "size": request.size}))
                draft.rename(order)  # all of it or nothing, whenever this process dies
            return self._read(order)

    def list(self) -> Sequence[Slice]:
        with _told(), self._alone():
            return [self._read(order) for order in sorted(self._folder.glob("*.json"))]

    def delete(self, slice_id: str) -> None:
        with _told(), self._alone():
            for path in [self._folder / f"{slice_id}.json", *self._folder.glob(f"{slice_id}.*.up")]:
                path.unlink(missing_ok=True)  # an unknown id is fine

    def _read(self, order: Path) -> Slice:
        ordered = json.loads(order.read_text())
        up = sum((self._folder / f"{order.stem}.{i}.up").exists() for i in range(ordered["size"]))
        state = SliceState.READY if up == ordered["size"] else SliceState.CREATING
        return Slice(slice_id=order.stem, pool=ordered["pool"], state=state)

    def _ordered(self) -> int:
        return sum(json.loads(order.read_text())["size"] for order in self._folder.glob("*.json"))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One at a time, of all processes and threads."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


@contextmanager
def _told() -> Iterator[None]:
    """What goes wrong below, in the words that Iris acts on."""
    try:
        yield
    except PermissionError as error:
        raise Denied(str(error)) from error
    except OSError as error:
        raise PlatformError(str(error)) from error


class V1Platform(Platform):
    def __init__(self, config: V1Config, context: Context) -> None:
        self.machines = V1Machines(config, context.cluster)

    def close(self) -> None:
        """Nothing is held open."""


@hookimpl
def iris_platform() -> Provider[V1Config, Platform]:
    summary = "a folder of orders, for whoever owns the machines"
    return Provider(V1Config, V1Platform, summary)
