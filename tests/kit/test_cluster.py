"""The cluster resolver keeps the rules, with a real controller behind a relay that can be cut."""

from iris.cluster.conformance import TestCluster

__all__ = ["TestCluster"]
