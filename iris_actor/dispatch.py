"""Dispatch: what a server does with a call. Finds the method, runs it, and puts the outcome into words."""

from __future__ import annotations

import inspect
import threading
import traceback
from collections.abc import Callable
from typing import Any

from attrs import frozen

from iris_actor.loop import MethodLoop
from iris_actor.payload import dump_value
from iris_api.errors import Refused, UnpicklableError
from iris_api.serialize import loads
from iris_api.transport import RemoteFailure, Reply, Request

__all__ = ["Dispatch", "Registered"]


@frozen
class Registered:
    """An actor under a name. `uid` is that of its endpoint; calls for another one are refused."""

    name: str
    actor: Any
    uid: str


class Dispatch:
    """The handler of a server: runs calls of registered actors, each in the thread that it is called in.
    ``async def`` methods run on `loop`."""

    def __init__(self, loop: MethodLoop) -> None:
        self._loop = loop
        self._actors: dict[str, Registered] = {}
        self._lock = threading.Lock()

    def add(self, registered: Registered, *names: str) -> None:
        with self._lock:
            self._actors = self._actors | dict.fromkeys(names, registered)

    def remove(self, registered: Registered) -> None:
        with self._lock:
            self._actors = {n: a for n, a in self._actors.items() if a is not registered}

    def __call__(self, request: Request) -> Reply:
        method = self._find(request)
        try:
            args, kwargs = loads(request.head, request.buffers)
        except Exception as error:
            error.add_note(f"while the arguments of {request.actor}.{request.method} were unpickled")
            return _failed(error)
        try:
            value = method(*args, **kwargs)
            if inspect.iscoroutine(value):
                value = self._loop.run(value, request.timeout)
        except BaseException as error:
            return _failed(error)
        return _answered(value, request)

    def _find(self, request: Request) -> Callable[..., Any]:
        found = self._actors.get(request.actor)
        if found is None:
            raise Refused("not_found", f"no actor {request.actor!r} here; there is {_listed(self._names())}")
        if request.endpoint_uid and request.endpoint_uid != found.uid:
            raise Refused("aborted", f"actor {request.actor!r} here is another endpoint than the one called")
        method = None if request.method.startswith("_") else getattr(found.actor, request.method, None)
        if not callable(method):
            raise Refused("unimplemented", _no_method(found, request.method))
        return method  # type: ignore[no-any-return]

    def _names(self) -> list[str]:
        return sorted({actor.name for actor in self._actors.values()})


def _no_method(found: Registered, method: str) -> str:
    what = f"{type(found.actor).__name__} {found.name!r}"
    if method.startswith("_"):
        return f"{method!r} of {what} is private: names that start with '_' cannot be called"
    names = [name for name in dir(found.actor) if not name.startswith("_")]
    public = [name for name in names if callable(inspect.getattr_static(found.actor, name, None))]
    return f"{what} has no method {method!r}; there is {_listed(public)}"


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "nothing"


def _answered(value: Any, request: Request) -> Reply:
    try:
        return Reply(*dump_value(value, f"the value returned by {request.actor}.{request.method}"))
    except UnpicklableError as error:
        return _failed(error)


def _failed(error: BaseException) -> Reply:
    """The exception, pickled where it can be; in words always."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    failure = RemoteFailure(name, _text(error), _traceback(error))
    if not isinstance(error, Exception):  # SystemExit and the like must not end the caller
        return Reply(failure=failure)
    try:
        head, buffers = dump_value(error.with_traceback(None), "the exception")
    except UnpicklableError:
        return Reply(failure=failure)
    return Reply(head, buffers, failure)


def _text(error: BaseException) -> str:
    try:
        return _sendable(str(error))
    except Exception:
        return "<its message cannot be had>"


def _sendable(text: str) -> str:
    """Without the halves of characters that a file name may hold."""
    return text.encode("utf-8", "backslashreplace").decode()


def _traceback(error: BaseException) -> str:
    """From the method on: the frames of this module say nothing."""
    try:
        trace = error.__traceback__
        own = traceback.TracebackException(type(error), error, trace.tb_next if trace else None)
        return _sendable("".join(own.format()))
    except Exception:
        return "<its traceback cannot be had>"
