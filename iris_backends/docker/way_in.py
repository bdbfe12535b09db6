"""WayIn: how the machines of a cluster reach its controller."""

from __future__ import annotations

import threading
from typing import Final
from urllib.parse import urlsplit

from iris_api.context import Context
from iris_api.errors import PlatformError
from iris_backends.docker.keeper import Keeper
from iris_backends.docker.network import Found

__all__ = ["WayIn"]

_HERE: Final = ("127.0.0.1", "localhost", "::1", "0.0.0.0", "::")  # noqa: S104  a machine reaches itself there


class WayIn:
    """A controller of this machine alone is passed on to the machines' network, as long as there are any:
    they need not notice that it was away. Safe from several threads."""

    def __init__(self, context: Context, daemon: str) -> None:
        """`daemon` is its URL."""
        self._context, self._daemon = context, daemon
        self._lock = threading.Lock()
        self._keeper: Keeper | None = None
        self._closed = False

    @property
    def needed(self) -> bool:
        controller = self._context.controller
        return bool(controller) and urlsplit(controller).hostname in _HERE

    def to(self, network: Found) -> str:
        """The controller's address in this network. Raises PlatformError."""
        if not self.needed:
            return self._context.controller
        with self._lock:
            return self._kept().way_in(network.gateway, self._context.controller)

    def close(self) -> None:
        """It goes on for the machines that there are."""
        with self._lock:
            self._closed = True
            keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.close(end_containers=False)

    def _kept(self) -> Keeper:
        directory, label = self._context.directory, f"iris.machines={self._context.cluster}"
        if self._closed or directory is None:
            raise PlatformError("the docker platform can make machines only for a controller that runs")
        if self._keeper is None:
            self._keeper = Keeper(directory / "way-in", self._daemon, label, bound=False)
        return self._keeper
