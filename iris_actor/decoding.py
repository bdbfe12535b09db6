"""A reply as the caller sees it: the value, or the remote exception with its own type."""

from __future__ import annotations

from typing import Any

from iris_actor.errors import RemoteError
from iris_api.serialize import loads
from iris_api.transport import RemoteFailure, Reply

__all__ = ["decode"]


def decode(reply: Reply, *what: str) -> Any:
    """The value of a reply. Raises the application's exception, its remote traceback as a note, or
    RemoteError where that exception cannot be had here. `what` are the parts of the call's name."""
    if reply.failure is not None:
        raise _exception(reply, reply.failure, ".".join(what) or "the call")
    try:
        return loads(reply.head, reply.buffers)
    except Exception as error:
        error.add_note(f"while the value that {'.'.join(what)} returned was unpickled here")
        raise


def _exception(reply: Reply, failure: RemoteFailure, what: str) -> BaseException:
    error: BaseException | None = None
    note = f"Remote traceback of {what}:\n{failure.traceback.rstrip()}"
    if reply.head:
        try:
            error = loads(reply.head, reply.buffers)
        except Exception as problem:  # a module that is missing here, an __init__ that takes other arguments
            note += f"\n(the exception itself cannot be unpickled here: {type(problem).__name__}: {problem})"
    if not isinstance(error, Exception):
        error = RemoteError(failure.type, failure.message, failure.traceback)
    error.add_note(note)
    return error
