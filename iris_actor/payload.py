"""Arguments as a payload, pickled when the call is made."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any, Final

from iris_api.errors import UnpicklableError
from iris_api.serialize import Payload, dumps, explain

__all__ = ["dump_arguments", "dump_value", "snapshot"]

_PLAIN: Final = frozenset({type(None), bool, int, float, str, bytes})


def dump_arguments(args: tuple[Any, ...], kwargs: Mapping[str, Any], *what: str) -> Payload:
    """Raises UnpicklableError, which names the argument. `what` are the parts of the call's name."""
    if not kwargs and _PLAIN.issuperset(map(type, args)):  # which cloudpickle takes three times as long for
        return pickle.dumps((args, {}), protocol=5), ()
    try:
        return dumps((args, dict(kwargs)))
    except UnpicklableError as error:
        named = {f"argument {i}": arg for i, arg in enumerate(args)}
        named |= {f"argument {key!r}": arg for key, arg in kwargs.items()}
        for name, value in named.items():
            try:
                dumps(value)
            except UnpicklableError:
                raise explain(
                    value, f"{name} of {'.'.join(what)}", error.__cause__ or error
                ) from error.__cause__
        raise


def dump_value(value: Any, what: str) -> Payload:
    """Raises UnpicklableError, which names `what`."""
    if type(value) in _PLAIN:
        return pickle.dumps(value, protocol=5), ()
    try:
        return dumps(value)
    except UnpicklableError as error:
        raise explain(value, what, error.__cause__ or error) from error.__cause__


def snapshot(payload: Payload) -> Payload:
    """The same with memory of its own: the arrays that it came from may change."""
    head, buffers = payload
    return head, tuple(memoryview(bytearray(buffer)) for buffer in buffers)
