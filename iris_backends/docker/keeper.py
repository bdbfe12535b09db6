"""Keeper: what a worker's containers have on this machine while the worker itself may be gone."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from attrs import evolve, frozen

from iris_api.errors import PlatformError
from iris_api.platform import Lease
from iris_api.supervised.folder import this_process
from iris_backends.docker._keeper_process import KeeperProcess, Way

__all__ = ["Keeper"]

_log = logging.getLogger("iris.runtime")

_SCHEMES: Final = ("unix", "tcp", "http")
_END: Final = 10.0  # seconds that `close` waits for the end of all containers


@frozen(kw_only=True)
class _Wish:
    """What the keeper's process reads as `_keeper.Wish`."""

    worker: str = ""
    lease: str = ""
    controller: str = ""
    relay: str = ""
    daemon: str
    label: str
    remove: str
    bound: bool
    end: bool = False

    def to_fields(self) -> list[str]:
        texts = (self.worker, self.lease, self.controller, self.relay, self.daemon, self.label, self.remove)
        return [*texts, str(int(self.bound)), str(int(self.end))]


class Keeper:
    """What the containers with `label` of a daemon have: a way in to the controller, and an end.

    One process a `folder`, started when it is first needed; the next worker on the folder takes it over, and
    what it was told holds until it is told otherwise. It ends when there is neither a worker nor a container.
    `bound`: containers end with the worker, and `remove` is removed after them. Thread-safe.
    """

    def __init__(
        self, folder: Path, daemon: str, label: str, *, bound: bool, remove: Path | None = None
    ) -> None:
        """Raises PlatformError for a daemon that a keeper cannot speak to."""
        if urlsplit(daemon).scheme not in _SCHEMES:
            known = ", ".join(f"{scheme}://" for scheme in _SCHEMES)
            raise PlatformError(f"a keeper cannot speak to the Docker daemon at {daemon!r}, only to {known}")
        self._process = KeeperProcess(folder.absolute())
        self._lock = threading.Lock()
        self._closed = False
        self._told: _Wish | None = None
        self._way = Way(0, "")
        before = self._process.told()  # nothing, or what the last worker wished for
        self._wish = _Wish(
            worker=this_process(),
            lease=before[1] if before else "",
            controller=before[2] if before else "",
            relay=before[3] if before else "",
            daemon=daemon,
            label=label,
            remove=str(remove.absolute()) if remove is not None else "",
            bound=bound,
        )

    def way_in(self, listen_host: str, controller: str) -> str:
        """The address at which containers reach this controller: a port of `listen_host`, an IP address of
        this machine. It stays the same one, unless somebody has taken the port while no keeper was there.
        Below a millisecond when nothing has changed. Raises PlatformError."""
        with self._lock:
            host, _, port = self._wish.relay.partition(" ")
            relay = f"{listen_host} {port if host == listen_host else 0}"
            way = self._want(evolve(self._wish, controller=_where(controller), relay=relay))
        if way.trouble:
            raise PlatformError(
                f"containers have no way in to the controller at {listen_host}: {way.trouble}"
            )
        shown = f"[{listen_host}]" if ":" in listen_host else listen_host
        return f"{urlsplit(controller).scheme}://{shown}:{way.port}"

    def hold(self, lease: Lease | None, controller: str = "") -> None:
        """Make sure that a keeper runs, and that containers go on without this process for as long as the
        lease says. `controller` is whom that is about, by default that of the way in. Below a millisecond
        when nothing has changed. Raises PlatformError."""
        text = f"{lease.grace:f} {lease.absence:f}" if lease is not None else ""
        with self._lock:
            where = _where(controller) if controller else self._wish.controller
            self._want(evolve(self._wish, lease=text, controller=where))

    def keep_up(self) -> None:
        """Make sure that a keeper runs for this process, with what it was told last. Raises PlatformError."""
        with self._lock:
            self._want(self._wish)

    def close(self, *, end_containers: bool) -> None:
        """End all containers and wait for that, or leave them as a killed worker does. Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                self._leave(end_containers)
            except PlatformError as error:
                _log.error("containers may be left: %s", error)
            finally:
                self._process.let_go()

    def _leave(self, end_containers: bool) -> None:
        if self._told is None and not self._process.is_up():
            return  # there was never anything to keep
        if not end_containers:
            self._process.tell(evolve(self._wish, worker="").to_fields())
        elif not self._process.finish(evolve(self._wish, end=True).to_fields(), _END):
            _log.error("containers have not ended within %.0f s; see %s", _END, self._process.log)

    def _want(self, wish: _Wish) -> Way:
        if self._closed:
            raise PlatformError("the keeper of containers is closed")
        if wish != self._told or not self._process.is_up():
            self._way = self._process.tell(wish.to_fields())
            host, _, port = wish.relay.partition(" ")
            if self._way.port and str(self._way.port) != port:
                if port != "0":
                    _log.warning("port %s of %s is taken; containers that run have no way in", port, host)
                wish = evolve(wish, relay=f"{host} {self._way.port}")
                self._process.tell(wish.to_fields())  # for the next worker
            self._wish = wish
            self._told = None if self._way.trouble else wish  # which may be over by the next time
        return self._way


def _where(controller: str) -> str:
    parts = urlsplit(controller)
    if not parts.hostname:
        raise PlatformError(f"the controller's address {controller!r} names no host")
    return f"{parts.hostname} {parts.port or (443 if parts.scheme == 'https' else 80)}"
