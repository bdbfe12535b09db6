"""ActorResolver: a resolver that gives pools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iris_api.resolver import Resolver

if TYPE_CHECKING:
    from iris_actor.pool import ActorPool

__all__ = ["ActorResolver"]


class ActorResolver(Resolver):
    """`lookup` cannot be in the contract, which knows no pools; ``ActorPool(resolver, name)`` does the
    same with any resolver."""

    def lookup(self, name: str) -> ActorPool:
        """Everybody who has this name, now and later; a pool also when nobody has."""
        from iris_actor.pool import ActorPool

        return ActorPool(self, name)
