"""What to do about the difference between what should be and what is. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set
from typing import TypeVar

from attrs import frozen

__all__ = ["Plan", "reconcile"]

T = TypeVar("T")


@frozen
class Plan:
    """Uids: `start` is new here, `stop` runs and is not desired."""

    start: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()


def reconcile(desired: Mapping[str, bool], present: Set[str], ended: Collection[str]) -> Plan:
    """`desired`: each uid that should be here, and whether its run spec came along. `present` is here, of
    which `ended` is over and waits to be acknowledged.

    A desired attempt that is not here and came without a spec was known to an earlier process of this
    worker: it cannot be started, and its absence in the next observation tells the controller so.
    """
    return Plan(
        start=tuple(uid for uid, has_spec in desired.items() if has_spec and uid not in present),
        stop=tuple(uid for uid in sorted(present) if uid not in desired and uid not in ended),
    )
