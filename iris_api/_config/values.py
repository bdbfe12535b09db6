"""What iris.toml says, as values. Importing this is cheap: nothing here reads a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from attrs import Factory, field, frozen

from iris_api._config.state import StateConfig, state_of
from iris_api.resources import ResourceSpec, parse_memory

__all__ = ["ClusterConfig", "Config", "ControllerConfig", "PluginTable", "PoolConfig", "QuotaConfig"]

DEFAULT_TRANSPORT: Final = "http"
DEFAULT_RESOLVER: Final = "cluster"
DEFAULT_PLATFORM: Final = "local"
DEFAULT_RUNTIME: Final = "process"


@frozen(kw_only=True)
class ClusterConfig:
    """``[cluster]``"""

    name: str = "default"


@frozen(kw_only=True)
class ControllerConfig:
    """``[controller]``. `listen` is "host:port", port 0 picks one. `worker_grace`: seconds of silence
    after which a worker is lost, and what it ran is tried elsewhere. `absence`: seconds for which workers
    go on while the controller is away."""

    listen: str = "127.0.0.1:10000"
    state: StateConfig = field(factory=StateConfig, converter=state_of)
    worker_grace: float = 30.0
    absence: float = 3600.0

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])


@frozen
class PluginTable:
    """A table that selects a plugin: `kind` is its name, `options` is what it gets."""

    kind: str
    options: Mapping[str, Any] = field(factory=dict)


@frozen(kw_only=True)
class PoolConfig:
    """``[pools.<name>]``: `min` to `max` slices of `size` machines each. `platform` makes them, and
    `runtime` (None: the platform's own) sandboxes tasks on them; each names a ``[platforms.<name>]``
    table or else a plugin. `resources` of a machine, where the platform's own reckoning is not meant.
    `template` is what the platform is told of each slice. `max_packages`: bytes of packages of jobs that each
    of its machines keeps installed."""

    platform: str = DEFAULT_PLATFORM
    runtime: str | None = None
    min: int = 1
    max: int = field(default=Factory(lambda self: max(self.min, 1), takes_self=True))
    size: int = 1
    resources: ResourceSpec | None = None
    template: Mapping[str, Any] = field(factory=dict)
    max_packages: int = field(default=20 * 10**9, converter=parse_memory)


@frozen(kw_only=True)
class QuotaConfig:
    """``[quotas.<user>]``, and ``[quotas.default]`` for all others: how many tasks may run, and how many
    may wait for a place; absent: any number."""

    running: int | None = None
    pending: int | None = None


@frozen(kw_only=True)
class Config:
    """A whole configuration. `Config()` is that of an absent file: a working cluster on this machine.
    `source` is the file it was read from."""

    cluster: ClusterConfig = field(factory=ClusterConfig)
    controller: ControllerConfig = field(factory=ControllerConfig)
    platforms: Mapping[str, PluginTable] = field(factory=dict)
    pools: Mapping[str, PoolConfig] = field(
        factory=lambda: {"default": PoolConfig(runtime=DEFAULT_RUNTIME)},
    )
    quotas: Mapping[str, QuotaConfig] = field(factory=dict)
    transport: PluginTable = PluginTable(DEFAULT_TRANSPORT)
    resolver: PluginTable = PluginTable(DEFAULT_RESOLVER)
    source: Path | None = None

    @property
    def source_text(self) -> str:
        """Where it is from, as errors begin; empty where it is from no file."""
        return "" if self.source is None else str(self.source)

    def platform(self, name: str) -> PluginTable:
        """The table that `name` in a pool means: its own, else the plugin of that kind as it comes."""
        return self.platforms.get(name) or PluginTable(name)

    def platform_names(self) -> Mapping[str, str]:
        """The platforms that pools name, each with the path of the key that names it first."""
        names: dict[str, str] = {}
        for name, pool in self.pools.items():
            names.setdefault(pool.platform, f"pools.{name}.platform")
            if pool.runtime is not None:
                names.setdefault(pool.runtime, f"pools.{name}.runtime")
        return names

    def kinds(self) -> frozenset[str]:
        """The names of all plugins that it selects."""
        platforms = (self.platform(name).kind for name in self.platform_names())
        return frozenset({*platforms, self.transport.kind, self.resolver.kind})

    def plugin_tables(self) -> dict[str, PluginTable]:
        """Every table that selects a plugin, by its path, such as ``platforms.mine``."""
        platforms = {f"platforms.{name}": table for name, table in self.platforms.items()}
        return {**platforms, "transport": self.transport, "resolver": self.resolver}
