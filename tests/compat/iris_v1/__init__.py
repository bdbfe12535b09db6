"""Frozen: written for version 1 of the plugin interface, and never to be changed."""

from tests.compat.iris_v1.platform import iris_platform
from tests.compat.iris_v1.resolver import iris_resolver
from tests.compat.iris_v1.transport import iris_transport

__all__ = ["iris_platform", "iris_resolver", "iris_transport"]
