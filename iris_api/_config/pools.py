"""Each pool with the objects of its platforms: what only they can tell is checked here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from iris_api._config.paths import join
from iris_api._config.structure import structure_table
from iris_api._config.values import DEFAULT_RUNTIME, Config, PoolConfig
from iris_api.errors import ConfigError
from iris_api.platform import Machines, Platform, Runtime

__all__ = ["BoundPool", "bind_pools"]


@frozen
class BoundPool:
    """A pool, who makes its machines, and what sandboxes tasks on them. `template` is an instance of
    the platform's template class, None where it has none."""

    name: str
    config: PoolConfig
    machines: Machines
    runtime: Runtime
    template: Any = None


def bind_pools(config: Config, platforms: Mapping[str, Platform]) -> dict[str, BoundPool]:
    """Give each pool its machines, runtime and template. `platforms` by the names that pools use.

    Raises ConfigError where a platform has no machines or no runtime, and for a template that its
    platform does not understand; all at once.
    """
    problems: list[str] = []
    bound = {name: _bind(config, name, platforms, problems) for name in config.pools}
    if problems:
        raise ConfigError(problems, source=config.source_text)
    return {name: pool for name, pool in bound.items() if pool is not None}


def _bind(
    config: Config, name: str, platforms: Mapping[str, Platform], problems: list[str]
) -> BoundPool | None:
    pool, path = config.pools[name], join("pools", name)
    machines = platforms[pool.platform].machines
    runtime_name = pool.runtime or pool.platform
    runtime = platforms[runtime_name].runtime
    if machines is None:
        problems.append(
            f"{path}.platform: {_platform(config, pool.platform)} makes no machines; "
            f"it can only be the runtime of a pool"
        )
    if runtime is None:
        able = sorted(repr(other) for other, platform in platforms.items() if platform.runtime)
        problems.append(
            f"{path}.runtime: {_platform(config, runtime_name)} has no runtime; "
            f"name one of {', '.join(able or [repr(DEFAULT_RUNTIME)])}"
        )
    template = None
    try:
        template = _template(config, name, machines)
    except ConfigError as error:
        problems += error.problems
    if machines is None or runtime is None:
        return None
    return BoundPool(name, pool, machines, runtime, template)


def _template(config: Config, name: str, machines: Machines | None) -> Any:
    pool, path = config.pools[name], join(join("pools", name), "template")
    if machines is None:
        return None
    if machines.template is not None:
        return structure_table(machines.template, pool.template, path)
    if pool.template:
        raise ConfigError([f"{path}: {_platform(config, pool.platform)} takes no template"])
    return None


def _platform(config: Config, name: str) -> str:
    return f"platform {name!r} (kind {config.platform(name).kind!r})"
