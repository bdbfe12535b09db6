"""Endpoints: registered by a live attempt or on a lease, displaced by a newer attempt of the same task."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from iris_api.errors import Refused
from iris_controller.clock import Now
from iris_controller.rows import Attempt, Endpoint
from iris_controller.state import Draft, Index
from iris_controller.transitions.attempts import drop_endpoints

__all__ = ["register", "renew", "unregister"]


def register(draft: Draft, endpoint: Endpoint, now: Now) -> None:
    """Add an endpoint, or replace the one with its uid. Raises Refused unless its owner is alive."""
    if endpoint.attempt:
        owner = draft.find(Attempt, endpoint.attempt)
        if owner is None or owner.state.ended:
            raise Refused(
                "failed_precondition",
                f"attempt {endpoint.attempt!r} is not alive: {endpoint.name} cannot be registered for it",
            )
        drop_endpoints(draft, _displaced(draft, endpoint, owner))
    draft.put(_leased(endpoint, endpoint.lease, now))


def renew(draft: Draft, uids: Iterable[str], lease: float, now: Now) -> list[str]:
    """Prolong leases; returns the uids that are gone."""
    unknown = []
    for uid in uids:
        endpoint = draft.find(Endpoint, uid)
        if endpoint is None:
            unknown.append(uid)
        else:
            draft.put(_leased(endpoint, lease or endpoint.lease, now))
    return unknown


def unregister(draft: Draft, uids: Iterable[str]) -> None:
    """Remove endpoints; an unknown one is fine."""
    drop_endpoints(draft, [uid for uid in uids if draft.find(Endpoint, uid) is not None])


def _leased(endpoint: Endpoint, lease: float, now: Now) -> Endpoint:
    return evolve(endpoint, lease=lease, expires=now.mono + lease if lease else None)


def _displaced(draft: Draft, endpoint: Endpoint, owner: Attempt) -> list[str]:
    """Endpoints of that name that an older attempt of the same task left. Other tasks share the name."""
    found = []
    for uid in draft.walk(Index.NAME, endpoint.name):
        other = draft.find(Attempt, draft.get(Endpoint, uid).attempt)
        if other is not None and other.task == owner.task and other.number < owner.number:
            found.append(uid)
    return found
