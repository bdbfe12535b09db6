"""Provider: what a plugin's hook returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from attrs import frozen

from iris_api.context import Context

__all__ = ["Provider"]

C = TypeVar("C")
T = TypeVar("T", covariant=True)


@frozen
class Provider(Generic[C, T]):
    """`config` is an attrs class: the plugin's table of iris.toml is structured into it. `create` may
    import an SDK and does no network I/O; it raises MissingDependency where the SDK is absent.
    `conformance` names a module with the plugin's subclasses of the kit (iris_api.testing), for
    ``iris plugin check``; only that imports it. `runtime`, of a platform: the plugin that sandboxes tasks on
    its machines where a pool names none; empty: the platform's own does."""

    config: type[C]
    create: Callable[[C, Context], T]
    summary: str
    conformance: str = ""
    runtime: str = ""
