"""Store: what outlives the controller's process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from iris_controller.rows import Row
from iris_controller.state import Changes

__all__ = ["Store"]


class Store(ABC):
    """One writer at a time; the loop never commits twice at once. `blocking` says whether `commit`
    waits for a disk, so that it must not be called on the event loop."""

    blocking: bool = True

    @abstractmethod
    def load(self) -> Sequence[Row]:
        """All rows, jobs in the order of their submission, each before its tasks and attempts. Called
        once, before the first commit. May block."""

    @abstractmethod
    def commit(self, changes: Changes) -> None:
        """Store all of it, or raise and store nothing."""

    @abstractmethod
    def close(self) -> None:
        """Release what is held. Idempotent."""
