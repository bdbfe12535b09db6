"""The three hooks. The marker "iris" and the entry-point group "iris" are ABI: they never change."""

from __future__ import annotations

from typing import Any, Final

import pluggy

from iris_api.platform import Platform
from iris_api.provider import Provider
from iris_api.resolver import Resolver
from iris_api.transport import Transport

__all__ = ["GROUP", "hookimpl", "hookspec", "iris_platform", "iris_resolver", "iris_transport"]

GROUP: Final = "iris"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def iris_platform() -> Provider[Any, Platform]:  # type: ignore[empty-body]
    """Somewhere work can be put."""


@hookspec
def iris_transport() -> Provider[Any, Transport]:  # type: ignore[empty-body]
    """How a call reaches an actor server."""


@hookspec
def iris_resolver() -> Provider[Any, Resolver]:  # type: ignore[empty-body]
    """How a name becomes endpoints."""
