"""Pickle protocol 5 with out-of-band buffers, and errors that name what cannot be pickled."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import cloudpickle

from iris_api.errors import UnpicklableError

__all__ = ["Payload", "dumps", "dumps_call", "loads"]

Payload = tuple[bytes, tuple[memoryview, ...]]


def dumps(value: Any) -> Payload:
    """Pickle `value`; large buffers (arrays) stay out of the head and are not copied.

    Raises UnpicklableError.
    """
    buffers: list[pickle.PickleBuffer] = []
    try:
        head = cloudpickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    except Exception as error:
        raise explain(value, "the value", error) from error
    return head, tuple(buffer.raw() for buffer in buffers)


def loads(head: bytes | memoryview, buffers: Iterable[Any] = ()) -> Any:
    """The value of a payload. Runs code of whoever made it: only for authenticated callers."""
    return pickle.loads(head, buffers=buffers)


def dumps_call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes:
    """Pickle (function, args, kwargs) in one piece. Raises UnpicklableError."""
    try:
        return bytes(cloudpickle.dumps((function, args, dict(kwargs)), protocol=5))
    except Exception as error:
        parts = {getattr(function, "__qualname__", "the callable"): function}
        parts |= {f"argument {i}": arg for i, arg in enumerate(args)}
        parts |= {f"argument {key!r}": arg for key, arg in kwargs.items()}
        for name, part in parts.items():
            if _reason(part) is not None:
                raise explain(part, name, error) from error
        raise UnpicklableError("the call", _one_line(error)) from error


def explain(value: Any, name: str, error: BaseException, depth: int = 6) -> UnpicklableError:
    """The error for `value`, with the path to the innermost part that cannot be pickled."""
    path = name
    seen: set[int] = set()
    for _ in range(depth):
        seen.add(id(value))
        for step, part in _parts(value):
            reason = None if id(part) in seen else _reason(part)
            if reason is not None:
                path, value, error = f"{path}, {step}", part, reason
                break
        else:
            break
    return UnpicklableError(f"{path} ({type(value).__name__})", _one_line(error))


def _reason(value: Any) -> BaseException | None:
    try:
        cloudpickle.dumps(value, protocol=5)
    except Exception as error:
        return error
    return None


def _parts(value: Any) -> Iterable[tuple[str, Any]]:
    """What `value` would take along into its pickle, each with a word on where it is."""
    function = getattr(value, "__func__", value)
    code = getattr(function, "__code__", None)
    if code is not None:
        yield from _captured(function, code)
    if function is not value:
        yield "its object", value.__self__
    if isinstance(value, Mapping):
        yield from ((f"item {key!r}", item) for key, item in value.items())
    elif isinstance(value, list | tuple | set | frozenset):
        yield from ((f"item {i}", item) for i, item in enumerate(value))
    elif code is None and hasattr(value, "__dict__") and not isinstance(value, type):
        yield from ((f"attribute {key!r}", item) for key, item in vars(value).items())


def _captured(function: Any, code: Any) -> Iterable[tuple[str, Any]]:
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield f"captured variable {name!r}", cell.cell_contents
        except ValueError:  # an empty cell: nothing is captured yet
            continue
    for name in code.co_names:
        if name in function.__globals__:
            yield f"global {name!r}", function.__globals__[name]
    yield from ((f"default {i}", item) for i, item in enumerate(function.__defaults__ or ()))


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
