"""ActorPool: everybody who has a name, called in turn or all at once."""

from __future__ import annotations

import itertools
import time
from typing import Any, Final, Generic, TypeVar

from attrs import frozen

from iris_actor.asking import ask_patiently
from iris_actor.caller import Caller
from iris_actor.client import RemoteMethod, check_timeout
from iris_actor.errors import ActorUnavailable
from iris_actor.futures import ActorFuture
from iris_actor.waiting import Seen, wait_for_endpoints
from iris_api.resolver import Endpoint, Resolver
from iris_api.threads import ThreadContainer
from iris_api.transport import DEFAULT_TIMEOUT

__all__ = ["ActorPool", "BroadcastFuture", "CallResult"]

_WAIT: Final = 60.0  # seconds

T = TypeVar("T")


@frozen
class CallResult:
    """What one of those who were called answered: `value`, or without `success` the `exception`."""

    endpoint: Endpoint
    success: bool
    value: Any = None
    exception: BaseException | None = None


class BroadcastFuture:
    """The results of a broadcast, in the order of `endpoints`."""

    def __init__(self, calls: list[tuple[Endpoint, ActorFuture]]) -> None:
        self._calls = calls

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        return tuple(endpoint for endpoint, _ in self._calls)

    def wait_all(self, timeout: float | None = None) -> list[CallResult]:
        """Every result, also of those who failed; who has not answered after `timeout` seconds failed
        with TimeoutError. Waits until the calls' own deadline at most."""
        deadline = None if timeout is None else time.monotonic() + timeout
        return [_result(endpoint, future, deadline) for endpoint, future in self._calls]


class _Calls(Generic[T]):
    """What `call` and `broadcast` give: remote methods as attributes."""

    def __init__(self, make: Any) -> None:
        self._make = make

    def __getattr__(self, name: str) -> T:
        if name.startswith("_"):
            raise AttributeError(f"{name!r}: names that start with '_' are not remote methods")
        made: T = self._make(name)
        return made


class BroadcastMethod:
    def __init__(self, pool: ActorPool, name: str, timeout: float) -> None:
        self._pool = pool
        self._name = name
        self._timeout = timeout

    def __call__(self, *args: Any, **kwargs: Any) -> BroadcastFuture:
        return BroadcastFuture([
            (endpoint, self._pool._caller_of(endpoint, self._timeout).remote(self._name, args, kwargs))
            for endpoint in self._pool.endpoints()
        ])  # fmt: skip


class ActorPool:
    """Everybody whom `resolver` knows by `name`, now and later; maybe nobody. Safe from several threads."""

    def __init__(
        self,
        resolver: Resolver,
        name: str,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        threads: ThreadContainer | None = None,
    ) -> None:
        self._resolver = resolver
        self._name = name
        self._timeout = check_timeout(timeout)
        self._threads = threads
        self._turn = itertools.count()
        self._caller = Caller(resolver, name, timeout=self._timeout, choose=self._next, threads=threads)

    @property
    def size(self) -> int:
        return len(self.endpoints())

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Who has the name now. Raises TransportError when whoever knows cannot be asked."""
        return ask_patiently(self._resolver, self._name, self._timeout)

    def wait_for_size(self, n: int, timeout: float = _WAIT) -> None:
        """Wait until at least `n` have the name. Raises ActorUnavailable, a TimeoutError, on expiry."""
        seen = Seen(self._name)
        deadline = time.monotonic() + timeout
        if not wait_for_endpoints(self._resolver, seen, lambda found: len(found) >= n, deadline):
            raise ActorUnavailable(
                f"pool {self._name!r} did not reach size {n} within {timeout:g} s;"
                f" it last was {len(seen.endpoints)}: {seen}"
            )

    def call(self) -> _Calls[RemoteMethod]:
        """``pool.call().method(...)``: each call goes to the next one in turn; who cannot be reached is
        skipped. ``.method.remote(...)`` gives a future."""
        return _Calls(lambda name: RemoteMethod(self._caller, name))

    def broadcast(self, timeout: float | None = None) -> _Calls[BroadcastMethod]:
        """``pool.broadcast().method(...)``: calls everybody who has the name now."""
        seconds = self._timeout if timeout is None else check_timeout(timeout)
        return _Calls(lambda name: BroadcastMethod(self, name, seconds))

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self._resolver, self._name, self._timeout)

    def __repr__(self) -> str:
        return f"ActorPool({self._resolver!r}, {self._name!r})"

    def _next(self, endpoints: tuple[Endpoint, ...]) -> Endpoint:
        return endpoints[next(self._turn) % len(endpoints)]

    def _caller_of(self, endpoint: Endpoint, timeout: float) -> Caller:
        pinned = _Pinned(endpoint, self._resolver)
        return Caller(pinned, self._name, timeout=timeout, retry=False, threads=self._threads)


class _Pinned(Resolver):
    """Knows one endpoint, whatever it is asked."""

    def __init__(self, endpoint: Endpoint, resolver: Resolver) -> None:
        self._endpoint = endpoint
        self.token = resolver.token

    def resolve(self, name: str) -> tuple[Endpoint, ...]:
        return (self._endpoint,)

    def resolve_within(self, name: str, timeout: float) -> tuple[Endpoint, ...]:
        return (self._endpoint,)


def _result(endpoint: Endpoint, future: ActorFuture, deadline: float | None) -> CallResult:
    left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
    try:
        return CallResult(endpoint, True, future.result(left))
    except Exception as error:
        return CallResult(endpoint, False, exception=error)


def _restore(resolver: Resolver, name: str, timeout: float) -> ActorPool:
    return ActorPool(resolver, name, timeout=timeout)
