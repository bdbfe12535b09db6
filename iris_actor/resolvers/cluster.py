"""ClusterResolver: asks a controller who has a name."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final

from attrs import frozen

from iris_actor.resolvers.base import ActorResolver
from iris_actor.resolvers.watch import Changed, NameWatch, ask
from iris_api.context import Context
from iris_api.credentials import Token, cluster_token
from iris_api.errors import ConfigError, Refused, TransportError
from iris_api.hookspecs import hookimpl
from iris_api.ids import namespace_of, qualify
from iris_api.job_info import JobInfo, get_job_info
from iris_api.provider import Provider
from iris_api.resolver import Endpoint, Resolver
from iris_api.rpc.client import RpcClient
from iris_api.threads import ThreadContainer

__all__ = ["ClusterConfig", "ClusterResolver", "iris_resolver"]

_FRESH: Final = 1.0  # seconds that an answer is used for again
_TIMEOUT: Final = 10.0  # seconds to ask
_PATIENCE: Final = 1.0  # seconds to ask, where an earlier answer is known
_PAUSE: Final = 0.2  # seconds between tries while the controller is away


class ClusterResolver(ActorResolver):
    """Names as `job` sees them: in the namespace of its root. Without `job` as the job that this code
    runs in does, outside one cluster-wide. Picklable; the token does not travel."""

    def __init__(
        self,
        address: str,
        *,
        job: str | None = None,
        token: Token | None = None,
        threads: ThreadContainer | None = None,
    ) -> None:
        info = get_job_info()
        self.address = address.rstrip("/")
        self.namespace = namespace_of(job or (info.job_id if info is not None else "")) or None
        self.token = token or _token_of(info, self.address)
        self._rpc = RpcClient(self.address, self.token)
        self._threads = threads
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, tuple[Endpoint, ...]]] = {}
        self._watches: dict[str, NameWatch] = {}

    def resolve(self, name: str) -> tuple[Endpoint, ...]:
        """Goes on asking while the controller is away, for 10 seconds."""
        until = time.monotonic() + _TIMEOUT
        while True:
            try:
                return self.resolve_within(name, until - time.monotonic())
            except TransportError as error:
                if _is_final(error) or time.monotonic() + _PAUSE > until:
                    raise
            time.sleep(_PAUSE)

    def resolve_within(self, name: str, timeout: float) -> tuple[Endpoint, ...]:
        """While the controller is away, those whom it told last; who has lost the name refuses calls."""
        full = qualify(name, self.namespace)
        with self._lock:
            asked, endpoints = self._known.get(full, (0.0, ()))
            if endpoints and time.monotonic() - asked < _FRESH:
                return endpoints
        try:
            endpoints, _ = ask(self._rpc, full, timeout=min(timeout, _PATIENCE if endpoints else _TIMEOUT))
        except TransportError as error:
            if not endpoints or _is_final(error):
                raise
        self._remember(full, endpoints)
        return endpoints

    def forget(self, name: str) -> None:
        """Ask again at the next `resolve`: what was told last turned out to be wrong."""
        with self._lock:
            self._known.pop(qualify(name, self.namespace), None)

    def watch(self, name: str, changed: Changed) -> Callable[[], None]:
        """Call `changed` now and after every change; returns what ends that. Survives reconnects."""
        full = qualify(name, self.namespace)

        def note(endpoints: tuple[Endpoint, ...]) -> None:
            self._remember(full, endpoints)
            changed(endpoints)

        watch = self._watch_of(full)
        while not watch.add(note):  # which may call `note`, so not under the lock; it ended meanwhile
            watch = self._watch_of(full)
        watch.start()
        return lambda: watch.remove(note)

    def close(self) -> None:
        with self._lock:
            watches, self._watches = list(self._watches.values()), {}
        for watch in watches:
            watch.end()
        self._rpc.close()

    def _watch_of(self, full: str) -> NameWatch:
        with self._lock:
            watch = self._watches.get(full)
            if watch is None or watch.ended:
                watch = self._watches[full] = NameWatch(self.address, self.token, full, self._threads)
            return watch

    def _remember(self, full: str, endpoints: tuple[Endpoint, ...]) -> None:
        with self._lock:
            self._known[full] = (time.monotonic(), endpoints)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.address, self.namespace)

    def __repr__(self) -> str:
        return f"ClusterResolver({self.address!r}, job={self.namespace!r})"


def _is_final(error: TransportError) -> bool:
    """Will asking again bring nothing else?"""
    return isinstance(error, Refused) and error.code not in ("unavailable", "resource_exhausted")


def _token_of(info: JobInfo | None, address: str) -> Token | None:
    if info is not None and info.token is not None:
        return info.token
    return cluster_token(address)


def _restore(address: str, namespace: str | None) -> ClusterResolver:
    return ClusterResolver(address, job=namespace)


@frozen(kw_only=True)
class ClusterConfig:
    """`address` of the controller; empty: the cluster that the resolver is used in."""

    address: str = ""


@hookimpl
def iris_resolver() -> Provider[ClusterConfig, Resolver]:
    summary = "names that are registered at the controller"
    return Provider(ClusterConfig, _create, summary, "iris.cluster.conformance")


def _create(config: ClusterConfig, context: Context) -> ClusterResolver:
    address = config.address or context.controller
    if not address:
        raise ConfigError(["resolver.address: is required where there is no controller"])
    return ClusterResolver(address, token=context.token, threads=context.threads)
