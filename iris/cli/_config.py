"""``iris config check`` and ``iris config show``."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import click

if TYPE_CHECKING:
    from iris_api.config import Config, PluginTable, PoolConfig, Selected, Selection

__all__ = ["config", "file_option"]

F = TypeVar("F", bound=Callable[..., Any])


def file_option(command: F) -> F:
    """``--config``: the iris.toml to read."""
    text = "Configuration file [default: IRIS_CONFIG, then ./iris.toml]."
    return click.option("--config", "path", type=click.Path(path_type=Path), help=text)(command)


@click.group()
def config() -> None:
    """Check or show iris.toml.

    Example: iris config check --config cluster.toml
    """


@config.command()
@file_option
def check(path: Path | None) -> None:
    """Say all that is wrong with it; exit 2 if anything is.

    The plugins' own tables are checked too. Nothing is started, and only plugins that it selects are
    imported.

    Example: iris config check --config cluster.toml
    """
    from iris_api.config import load_selection

    found, selection = load_selection(path)
    click.echo(f"ok: {found.source_text or 'no iris.toml, so the defaults'}")
    for name, pool in found.pools.items():
        platform, runtime = (
            selection.platforms[key] for key in (pool.platform, pool.runtime or pool.platform)
        )
        click.echo(
            f"  pool {name}: {pool.min} to {pool.max} slices, "
            f"platform {platform.plugin.info}, runtime {runtime.plugin.info}"
        )
    click.echo(f"  transport {selection.transport.plugin.info}")
    click.echo(f"  resolver {selection.resolver.plugin.info}")
    for name in sorted(set(found.platforms) - set(selection.platforms)):
        click.echo(f"  platforms.{name} is named by no pool, so it was not checked")


@config.command()
@file_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(path: Path | None, as_json: bool) -> None:
    """Print it as TOML, with all defaults filled in.

    Example: iris config show > iris.toml
    """
    from iris_api.config import load_selection

    tables = _effective(*load_selection(path))
    if as_json:
        import json

        click.echo(json.dumps(tables, indent=2, default=str))
    else:
        from iris_api.config import to_toml

        click.echo(to_toml(tables), nl=False)


def _effective(found: Config, selection: Selection) -> dict[str, Any]:
    unused = {name: table for name, table in found.platforms.items() if name not in selection.platforms}
    return {
        "cluster": _plain(found.cluster),
        "controller": _plain(found.controller),
        "platforms": {
            **{name: _selected(chosen) for name, chosen in selection.platforms.items()},
            **{name: _unselected(table) for name, table in unused.items()},
        },
        "pools": {name: _pool(pool) for name, pool in found.pools.items()},
        "quotas": {name: _plain(quota) for name, quota in found.quotas.items()},
        "transport": _selected(selection.transport),
        "resolver": _selected(selection.resolver),
    }


def _pool(pool: PoolConfig) -> dict[str, Any]:
    own = attrs.evolve(pool, runtime=pool.runtime or pool.platform)
    return {key: value for key, value in _plain(own).items() if value != {}}


def _selected(chosen: Selected[Any]) -> dict[str, Any]:
    return {"kind": chosen.plugin.name, **_plain(chosen.options)}


def _unselected(table: PluginTable) -> dict[str, Any]:
    return {"kind": table.kind, **_plain(table.options)}


def _plain(value: Any) -> Any:
    """What TOML can hold of a value. None is left out, and so are fields that do not show in a repr."""
    if attrs.has(type(value)):
        visible = [field for field in attrs.fields(type(value)) if field.init and field.repr is True]
        return _plain({field.alias: getattr(value, field.name) for field in visible})
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, set | frozenset):
        return sorted(_plain(item) for item in value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Enum):
        return _plain(value.value)
    known = (str, bool, int, float, datetime.date, datetime.time)
    return value if isinstance(value, known) else str(value)
