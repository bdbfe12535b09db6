"""A store for a cluster that dies with its process: it keeps nothing."""

from __future__ import annotations

from collections.abc import Sequence

from iris_controller.rows import Row
from iris_controller.state import Changes
from iris_controller.store.base import Store

__all__ = ["MemoryStore"]


class MemoryStore(Store):
    """The state in the process is all there is."""

    blocking = False

    def load(self) -> Sequence[Row]:
        return ()

    def commit(self, changes: Changes) -> None:
        pass

    def close(self) -> None:
        pass
