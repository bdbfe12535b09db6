"""NameWatch: follows one name at the controller by long polls."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from iris_api.credentials import Token
from iris_api.errors import TransportError
from iris_api.resolver import Endpoint
from iris_api.rpc import cluster_pb2 as pb
from iris_api.rpc.client import RpcClient
from iris_api.threads import ThreadContainer, get_thread_registry

__all__ = ["Changed", "NameWatch", "ask"]

_LIST: Final = "/iris.cluster.v1.Endpoints/List"
_HOLD: Final = 25.0  # seconds that the controller may hold a poll
_PAUSES: Final = (0.1, 0.2, 0.5, 1.0, 2.0)  # seconds after a failure; the last one repeats
_log = logging.getLogger("iris.resolver")

Changed = Callable[[tuple[Endpoint, ...]], None]


def ask(
    rpc: RpcClient, full_name: str, *, timeout: float, known_version: int = 0, hold: float = 0.0
) -> tuple[tuple[Endpoint, ...], int]:
    """Who has the name, and the version of the controller's table. Raises TransportError."""
    request = pb.ListEndpointsRequest(name=full_name, known_version=known_version, hold_ms=int(hold * 1000))
    reply = rpc.call(_LIST, request, pb.ListEndpointsReply, timeout + hold)
    endpoints = tuple(Endpoint(e.name, e.address, e.uid, e.attempt_uid) for e in reply.endpoints)
    return endpoints, reply.version


class NameWatch:
    """Tells its listeners who has a name, now and after every change, from a thread of its own, which
    ends with the last listener."""

    def __init__(
        self, address: str, token: Token | None, full_name: str, threads: ThreadContainer | None
    ) -> None:
        self._rpc = RpcClient(address, token)
        self._name = full_name
        self._threads = threads
        self._lock = threading.Lock()
        self._listeners: list[Changed] = []
        self._last: tuple[Endpoint, ...] | None = None
        self._started = self.ended = False

    def add(self, changed: Changed) -> bool:
        """False when the watch has ended."""
        with self._lock:
            if self.ended:
                return False
            self._listeners.append(changed)
            last = self._last
        if last is not None:
            changed(last)
        return True

    def remove(self, changed: Changed) -> None:
        """Idempotent. The last one to leave ends the watch."""
        with self._lock:
            if changed in self._listeners:
                self._listeners.remove(changed)
            unneeded = not self._listeners
        if unneeded:
            self.end()

    def start(self) -> None:
        with self._lock:
            if self._started or self.ended:
                return
            self._started = True
        threads = self._threads or get_thread_registry().container
        threads.spawn(self._follow, f"watch-{self._name}", on_stop=self.end)

    def end(self) -> None:
        with self._lock:
            self.ended = True
        self._rpc.close()  # which ends a poll under way

    def _follow(self, stop: threading.Event) -> None:
        version = failures = 0
        while not self.ended:
            try:
                endpoints, version = ask(self._rpc, self._name, timeout=10, known_version=version, hold=_HOLD)
                failures = 0
                self._tell(endpoints)
            except TransportError as error:
                if self.ended:
                    return
                _log.debug("watching %s: %s", self._name, error)
                version = 0  # a controller that restarts may count anew
                stop.wait(_PAUSES[min(failures, len(_PAUSES) - 1)])
                failures += 1

    def _tell(self, endpoints: tuple[Endpoint, ...]) -> None:
        with self._lock:
            if endpoints == self._last:
                return
            self._last = endpoints
            listeners = list(self._listeners)
        for listener in listeners:
            try:
                listener(endpoints)
            except Exception:
                _log.exception("a watch of %s failed in its listener", self._name)
