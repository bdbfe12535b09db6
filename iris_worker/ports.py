"""Ports for attempts: free when they are given out, and given to one attempt at a time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Collection, Sequence

from iris_api.errors import PlatformError

__all__ = ["Ports"]

_TRIES = 100


class Ports:
    """The ports that attempts of this worker hold. Safe from several threads."""

    def __init__(self) -> None:
        self._held: dict[str, frozenset[int]] = {}
        self._lock = threading.Lock()

    def take(self, uid: str, names: Sequence[str]) -> dict[str, int]:
        """A free port for each name. Raises PlatformError where there is none."""
        with self._lock:
            taken = set().union(*self._held.values())
            ports: dict[str, int] = {}
            for name in names:
                ports[name.lower()] = self._free(taken)
                taken.add(ports[name.lower()])
            self._held[uid] = frozenset(ports.values())
            return ports

    def hold(self, uid: str, ports: Collection[int]) -> None:
        """An attempt that an earlier process of this worker started holds these."""
        with self._lock:
            self._held[uid] = frozenset(ports)

    def release(self, uid: str) -> None:
        """Unknown is fine."""
        with self._lock:
            self._held.pop(uid, None)

    @staticmethod
    def _free(taken: set[int]) -> int:
        for _ in range(_TRIES):
            with socket.socket() as probe:
                probe.bind(("", 0))
                port: int = probe.getsockname()[1]
            if port not in taken:
                return port
        raise PlatformError("no free port was found on this machine")
