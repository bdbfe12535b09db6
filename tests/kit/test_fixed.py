"""The fixed resolver keeps the rules of a table that does not change."""

from iris_actor.resolvers.fixed_conformance import TestFixed

__all__ = ["TestFixed"]
