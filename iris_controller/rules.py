"""What the operator of a cluster has set, as the pure rules need it."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from iris_controller.rows import PoolSpec

__all__ = ["Quota", "Rules"]

_DEFAULT = "default"


@frozen(kw_only=True)
class Quota:
    """How many tasks of a user may run, and how many may wait for a place; None: any number."""

    running: int | None = None
    pending: int | None = None


@frozen(kw_only=True)
class Rules:
    """`pools` tell what can be had at all. `quotas` are by user; that of ``default`` is for all others.
    `grace`: seconds of silence after which a worker is lost."""

    pools: tuple[PoolSpec, ...] = ()
    quotas: Mapping[str, Quota] = field(factory=dict)
    grace: float = 30.0

    def quota(self, user: str) -> Quota:
        return self.quotas.get(user) or self.quotas.get(_DEFAULT) or Quota()
