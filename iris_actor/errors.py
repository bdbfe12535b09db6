"""What only actor calls raise."""

from __future__ import annotations

from iris_api.errors import IrisError, NotSent

__all__ = ["ActorUnavailable", "RemoteError", "UnreadResult"]


class RemoteError(IrisError):
    """An exception of a remote method that cannot be had with its own type.

    ``type`` is its qualified name, ``message`` its text, ``traceback`` where it was raised.
    """

    def __init__(self, type: str, message: str, traceback: str = "") -> None:
        super().__init__(f"{type}: {message}" if message else type)
        self.type = type
        self.message = message
        self.traceback = traceback

    def __reduce__(self) -> tuple[type[RemoteError], tuple[str, str, str]]:
        return RemoteError, (self.type, self.message, self.traceback)


class ActorUnavailable(NotSent, TimeoutError):
    """Until the deadline nobody could be given the call; it did not run."""


class UnreadResult(RuntimeWarning):
    """A future of an actor call was dropped, and nobody looked at its result."""
