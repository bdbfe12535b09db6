"""What a reply that is no CallReply means for a call."""

from __future__ import annotations

import json
from typing import Final

from iris_api.errors import DeadlineExceeded, Lost, Refused, TransportError
from iris_api.rpc.client import raise_refusal
from iris_api.rpc.connection import Response

__all__ = ["as_error", "end_error", "error_of"]

_MAY_HAVE_RUN: Final = frozenset({"unknown", "internal", "data_loss", "canceled"})


def as_error(code: str, message: str) -> TransportError:
    """The error for a Connect code: only a server that surely did not run the call has refused it."""
    if code == "deadline_exceeded":
        return DeadlineExceeded(message)
    return Lost(message) if code in _MAY_HAVE_RUN else Refused(code, message)


def error_of(response: Response, label: str) -> TransportError:
    """The error in the reply to a unary call."""
    try:
        raise_refusal(response, label)
    except Refused as refusal:
        return as_error(refusal.code, refusal.message)
    except TransportError as error:
        return error


def end_error(message: memoryview, label: str) -> TransportError:
    """For calls that a stream ended without, the error in its last envelope."""
    try:
        error = json.loads(bytes(message)).get("error", {})
        code, text = str(error.get("code", "unknown")), str(error.get("message", "no reply"))
    except (ValueError, AttributeError):
        code, text = "unknown", "the stream ended badly"
    return as_error(code, f"{label}: {text}")
