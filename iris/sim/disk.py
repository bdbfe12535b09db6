"""The controller's disk: the real SQL store, commits that are slow, fail, or land without a reply."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from attrs import define
from sqlalchemy import Engine

from iris_api.errors import PlatformError
from iris_api.testing.sim import Kernel, Process
from iris_controller.rows import Row
from iris_controller.state import Changes
from iris_controller.store import Store
from iris_controller.store.opening import open_store
from iris_controller.store.sqlite import Sqlite

__all__ = ["Disk", "SimLock", "SimStore", "format_disk", "quick_engine"]


@functools.cache
def _empty_database() -> bytes:
    """The file of a store in which nothing is stored yet: making the tables takes as long as a seed may."""
    with tempfile.TemporaryDirectory() as directory:
        open_store(Path(directory)).close()
        return (Path(directory) / "iris.sqlite").read_bytes()


def format_disk(directory: Path) -> None:
    """Before the simulation begins: a directory of the controller's in which it finds its tables."""
    directory.mkdir()
    (directory / "iris.sqlite").write_bytes(_empty_database())


_compiled: dict[Any, Any] = {}


def quick_engine(make: Callable[[Sqlite], Engine]) -> Callable[[Sqlite], Engine]:
    """In the place of Sqlite.engine: every process compiles the same statements, which need be done once."""

    def engine(backend: Sqlite) -> Engine:
        return make(backend).execution_options(compiled_cache=_compiled)

    return engine


@define
class Disk:
    """How the disk is now. `slow`: seconds that a commit may take at most. `lost`: the share of commits
    that land though the store says that they failed."""

    slow: float = 0.004
    full: bool = False
    lost: float = 0.0
    holder: Process | None = None


class SimStore(Store):
    """The real store of one controller process. `committed` sees what has become durable."""

    def __init__(
        self, kernel: Kernel, disk: Disk, directory: Path, committed: Callable[[Changes], None]
    ) -> None:
        self._kernel, self._disk, self._committed = kernel, disk, committed
        self._store = open_store(directory)
        self._dice = kernel.random("disk")
        self.check_every = self._store.check_every

    def load(self) -> Sequence[Row]:
        return self._store.load()

    def commit(self, changes: Changes) -> None:
        self._kernel.sleep(self._dice.uniform(0, self._disk.slow))
        if self._disk.full:
            raise PlatformError("the state could not be stored: database or disk is full")
        self._store.commit(changes)
        self._committed(changes)
        if self._disk.lost and self._dice.random() < self._disk.lost:
            self._store._session._commits -= 1  # it was not told that its COMMIT was carried out
            raise PlatformError("the state could not be stored: server closed the connection unexpectedly")
        self._kernel.sleep(self._dice.uniform(0, 0.001))

    def settle(self) -> bool:
        self._kernel.sleep(self._dice.uniform(0, self._disk.slow))
        if self._disk.lost and self._dice.random() < self._disk.lost:
            raise PlatformError("the state cannot be read: no connection to the server")
        return self._store.settle()

    def check(self) -> None:
        self._store.check()

    def note(self, address: str) -> None:
        self._store.note(address)

    def interrupt(self) -> None:
        self._store.interrupt()

    def close(self) -> None:
        self._store.close()


class SimLock:
    """As StateLock: the process that makes it holds it until it dies."""

    def __init__(self, kernel: Kernel, disk: Disk) -> None:
        holder = disk.holder
        if holder is not None and holder.alive and holder is not kernel.current:
            raise PlatformError(f"the state is in use by another controller: {holder.name}")
        disk.holder = kernel.current
        self._disk = disk

    def note(self, address: str) -> None:
        """Nobody reads it."""

    def release(self) -> None:
        self._disk.holder = None
