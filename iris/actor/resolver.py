"""Names to endpoints: from a table, or as iris.toml says."""

from iris_actor.resolvers.fixed import FixedResolver
from iris_actor.selected import selected_resolver

__all__ = ["FixedResolver", "selected_resolver"]
