"""Names to endpoints, asked of a controller."""

from iris_actor.resolvers.cluster import ClusterResolver

__all__ = ["ClusterResolver"]
