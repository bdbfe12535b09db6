"""Names to endpoints, from a table."""

from iris_actor.resolvers.fixed import FixedResolver

__all__ = ["FixedResolver"]
