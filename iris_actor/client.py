"""ActorClient: calls the methods of an object that lives elsewhere as if it lived here."""

from __future__ import annotations

from typing import Any

from iris_actor.caller import Caller
from iris_actor.decoding import decode
from iris_actor.futures import ActorFuture
from iris_api.errors import InvalidSpec
from iris_api.resolver import Resolver
from iris_api.threads import ThreadContainer
from iris_api.transport import DEFAULT_TIMEOUT

__all__ = ["ActorClient", "RemoteMethod", "check_timeout", "decode"]


_LONGEST = 10_000_000.0  # seconds, some months


class RemoteMethod:
    """``method(...)`` calls and waits; ``method.remote(...)`` gives a future."""

    __slots__ = ("_caller", "_name")

    def __init__(self, caller: Caller, name: str) -> None:
        self._caller = caller
        self._name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._caller.call(self._name, args, kwargs)

    def remote(self, *args: Any, **kwargs: Any) -> ActorFuture:
        return self._caller.remote(self._name, args, kwargs)

    def __repr__(self) -> str:
        return f"<remote method {self._caller.name}.{self._name}>"


class ActorClient:
    """Calls whoever is registered as `name`. Every call ends within `timeout` seconds.

    A call that may have run is repeated only if `idempotent`. Picklable, by resolver and name.
    """

    def __init__(
        self,
        resolver: Resolver,
        name: str,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        idempotent: bool = False,
        threads: ThreadContainer | None = None,
    ) -> None:
        self._caller = Caller(
            resolver, name, timeout=check_timeout(timeout), idempotent=idempotent, threads=threads
        )

    def __getattr__(self, name: str) -> RemoteMethod:
        if name.startswith("_"):
            raise AttributeError(f"{name!r}: names that start with '_' are not remote methods")
        method = self.__dict__[name] = RemoteMethod(self._caller, name)  # found there the next time
        return method

    def __reduce__(self) -> tuple[Any, ...]:
        caller = self._caller
        return _restore, (caller.resolver, caller.name, caller.timeout, caller.idempotent)

    def __repr__(self) -> str:
        return f"ActorClient({self._caller.resolver!r}, {self._caller.name!r})"


def check_timeout(timeout: float) -> float:
    """Return `timeout`, or raise InvalidSpec."""
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout <= _LONGEST:
        raise InvalidSpec(f"timeout {timeout!r} is not allowed: it is a number of seconds up to {_LONGEST:g}")
    return float(timeout)


def _restore(resolver: Resolver, name: str, timeout: float, idempotent: bool) -> ActorClient:
    return ActorClient(resolver, name, timeout=timeout, idempotent=idempotent)
