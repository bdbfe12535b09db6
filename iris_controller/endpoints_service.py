"""The Endpoints service: names to addresses."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Any, Final

from iris_api.errors import Refused
from iris_api.ids import qualify
from iris_api.rpc import cluster_pb2 as pb
from iris_controller.core import Core, checked, seconds
from iris_controller.rows import Endpoint
from iris_controller.state import Index
from iris_controller.status import endpoint_message
from iris_controller.transitions.endpoints import register, renew, unregister

__all__ = ["EndpointVersions", "EndpointsService"]

_HOLD: Final = 60.0  # seconds that an answer is held at most
_REMEMBERED: Final = 10_000  # names whose last change is known exactly


class EndpointVersions:
    """When which name changed last, so that one name's change does not wake those who watch another."""

    def __init__(self, start: int) -> None:
        self.version = start
        self._floor = start
        self._changed: dict[str, int] = {}  # the oldest change first

    def note(self, names: Iterable[str]) -> None:
        """These names have changed together."""
        changed = dict.fromkeys(names)
        if not changed:
            return
        self.version += 1
        for name in changed:
            self._changed.pop(name, None)
            self._changed[name] = self.version
        while len(self._changed) > _REMEMBERED:
            self._floor = self._changed.pop(next(iter(self._changed)))

    def newer(self, name: str, prefix: str, known: int) -> bool:
        """May the answer differ from the one of version `known`?"""
        if known > self.version or known < self._floor:  # of another controller, or too long ago
            return True
        if name:
            return self._changed.get(name, 0) > known
        return any(when > known and one.startswith(prefix) for one, when in self._changed.items())


class EndpointsService:
    """Implements the generated Protocol."""

    def __init__(self, core: Core, versions: EndpointVersions) -> None:
        self._core = core
        self._versions = versions

    async def register(
        self, request: pb.RegisterEndpointRequest, ctx: Any = None
    ) -> pb.RegisterEndpointReply:
        endpoint = _checked_endpoint(request)
        await self._core.loop.run(lambda draft, now: register(draft, endpoint, now))
        return pb.RegisterEndpointReply()

    async def renew(self, request: pb.RenewEndpointsRequest, ctx: Any = None) -> pb.RenewEndpointsReply:
        uids, lease = list(request.uids), _checked_lease(request.lease_seconds)
        unknown = await self._core.loop.run(lambda draft, now: renew(draft, uids, lease, now))
        return pb.RenewEndpointsReply(unknown=unknown)

    async def unregister(
        self, request: pb.UnregisterEndpointsRequest, ctx: Any = None
    ) -> pb.UnregisterEndpointsReply:
        uids = list(request.uids)
        await self._core.loop.run(lambda draft, now: unregister(draft, uids))
        return pb.UnregisterEndpointsReply()

    async def list(self, request: pb.ListEndpointsRequest, ctx: Any = None) -> pb.ListEndpointsReply:
        name, prefix = request.name, request.prefix
        if bool(name) == bool(prefix):
            raise Refused("invalid_argument", "give either the full name of endpoints or a prefix of names")
        with self._core.polls.hold(_watched(name, prefix), seconds(request.hold_ms, _HOLD)) as hold:
            while not hold.over and not self._versions.newer(name, prefix, request.known_version):
                await hold.wait()
        found = self._find(name, prefix)
        return pb.ListEndpointsReply(
            endpoints=[endpoint_message(endpoint) for endpoint in found], version=self._versions.version
        )

    def _find(self, name: str, prefix: str) -> Iterator[Endpoint]:
        state = self._core.state
        names = [name] if name else sorted(n for n in state.keys(Index.NAME) if n.startswith(prefix))
        return (state.get(Endpoint, uid) for one in names for uid in state.walk(Index.NAME, one))


def _watched(name: str, prefix: str) -> Hashable:
    return ("name", name) if name else ("names", prefix)


def _checked_endpoint(request: pb.RegisterEndpointRequest) -> Endpoint:
    """Raises Refused saying what is allowed."""
    given = request.endpoint
    with checked():
        qualify(given.name, None)
    if not given.name.startswith("/"):
        raise Refused("invalid_argument", f"endpoint name {given.name!r} is not allowed: it starts with '/'")
    if not given.uid:
        raise Refused("invalid_argument", f"endpoint {given.name} has no uid: give a random one")
    if "://" not in given.address:
        raise Refused(
            "invalid_argument", f"address {given.address!r} is not allowed: it looks like http://host:port"
        )
    lease = _checked_lease(request.lease_seconds)
    if not given.attempt_uid and not lease:
        raise Refused("invalid_argument", f"endpoint {given.name} needs an owner (attempt_uid) or a lease")
    return Endpoint(
        uid=given.uid,
        name=given.name,
        address=given.address,
        attempt=given.attempt_uid,
        metadata=dict(given.metadata),
        lease=lease,
    )


def _checked_lease(lease: float) -> float:
    if not 0 <= lease <= 86_400:
        raise Refused("invalid_argument", f"lease_seconds {lease} is not allowed: give 0 to 86400")
    return lease
