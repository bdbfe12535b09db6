"""Store: what outlives the controller's process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from iris_api.errors import PlatformError
from iris_controller.rows import Row
from iris_controller.state import Changes

__all__ = ["StateLost", "Store"]


class StateLost(PlatformError):
    """What is stored is not this controller's any more: it must end, and store nothing else."""


class Store(ABC):
    """One writer at a time; the loop never calls twice at once. `blocking` says whether it waits for a
    disk or a network, so that it must not be called on the event loop. `check_every`: seconds without a
    commit after which the loop is to call `check`, `tend_every` between two calls of `tend`; None: never."""

    blocking: bool = True
    check_every: float | None = None
    tend_every: float | None = None

    @abstractmethod
    def load(self) -> Sequence[Row]:
        """All rows, jobs in the order of their submission, each before its tasks and attempts. Called
        once, before the first commit. May block."""

    @abstractmethod
    def commit(self, changes: Changes) -> None:
        """Store all of it, or raise. After it raised nothing more is committed until `settle` has told
        what became of it. Raises PlatformError, and StateLost where no further try will help."""

    def settle(self) -> bool:
        """After a commit or a check that raised: be ready for the next one, and tell whether that commit
        was stored after all. Raises as `commit` does, where this cannot be told yet."""
        return False

    def check(self) -> None:
        """See whether the state is still this controller's. Raises as `commit` does."""

    def tend(self) -> None:
        """From a thread of its own, beside commits: do beforehand what one of them would have to wait for.
        Raises PlatformError where that cannot be done now."""

    def note(self, address: str) -> None:
        """Tell those who find the state taken where its controller serves."""

    def interrupt(self) -> None:
        """From any thread: make a call that is under way raise soon, where that can be done."""

    @abstractmethod
    def close(self) -> None:
        """Release what is held. Idempotent."""
