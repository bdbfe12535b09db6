"""What the worker of a machine is told: the text of its iris.toml."""

from __future__ import annotations

from iris_api.config import to_toml
from iris_api.context import Context
from iris_api.errors import Denied, PlatformError
from iris_api.platform import SliceRequest
from iris_api.resources import ResourceSpec

__all__ = ["told"]


def told(context: Context, request: SliceRequest, offered: ResourceSpec | None) -> str:
    """`offered`: what a machine has for tasks where the pool does not say it. Raises Denied for a pool whose
    tasks cannot run in a machine, and PlatformError where there is no controller."""
    if not context.controller or context.token is None or context.worker_settings is None:
        raise PlatformError("the docker platform can make machines only for a controller")
    settings = context.worker_settings(request.pool, request.resources or offered)
    name = settings["pools"][request.pool]["runtime"]
    if settings["platforms"].get(name, {"kind": name})["kind"] == "docker":
        raise Denied(
            f"pool {request.pool}: runtime {name!r} needs a Docker daemon, and there is none in a machine "
            f"that is a container; leave `runtime` out, or name another"
        )
    return to_toml(settings)
