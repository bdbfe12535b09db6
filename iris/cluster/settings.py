"""What a worker on a machine of its own needs of the configuration."""

from __future__ import annotations

from typing import Any

from iris_api.config import Config, PluginTable
from iris_api.errors import PlatformError
from iris_api.resources import ResourceSpec

__all__ = ["worker_settings"]


def worker_settings(config: Config, pool: str, resources: ResourceSpec | None = None) -> dict[str, Any]:
    """The tables of the iris.toml of a worker of this pool; `resources` are for a pool that names none. The
    pool's platform stays here with its options: a worker makes no machines, and need not have the plugin.
    Raises PlatformError for a pool that there is not."""
    if pool not in config.pools:
        raise PlatformError(f"there is no pool {pool!r}; the configuration has {', '.join(config.pools)}")
    wanted = config.pools[pool]
    name = wanted.runtime or wanted.platform
    offered = wanted.resources or resources
    limits = {"resources": {"cpu": offered.cpu, "memory": offered.memory}} if offered is not None else {}
    controller = config.controller
    return {
        "cluster": {"name": config.cluster.name},
        "controller": {"worker_grace": controller.worker_grace, "absence": controller.absence},
        "platforms": {name: _table(config.platforms[name])} if name in config.platforms else {},
        "pools": {pool: {"platform": name, "runtime": name, **limits}},
        "transport": _table(config.transport),
        "resolver": _table(config.resolver),
    }


def _table(table: PluginTable) -> dict[str, Any]:
    return {"kind": table.kind, **table.options}
