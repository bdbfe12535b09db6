"""``iris down``: the machines of a cluster whose controller has ended."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from iris.cli._client import config_option
from iris_api.errors import PlatformError

if TYPE_CHECKING:
    from iris_api.config import Config, Selection
    from iris_api.platform import Platform

__all__ = ["down"]

_GONE: Final = 120.0  # seconds until all is gone
_LOOK: Final = 0.2  # seconds between two looks


@click.command()
@config_option
def down(config: Path | None) -> None:
    """Delete the machines that a cluster's pools have, with all that runs on them. End its controller before:
    it would make new ones.

    Machines outlive their controller, so that it can come back to them. This is for a cluster that will not.

    Example: iris down --config iris.toml
    """
    from iris_api.config import load_selection

    loaded, selection = load_selection(config)
    with ExitStack() as stack:
        platforms: dict[str, Platform] = {}
        for name in dict.fromkeys(pool.platform for pool in loaded.pools.values()):
            platforms[name] = _made(loaded, selection, name)
            stack.callback(selection.platforms[name].close, platforms[name])
        _delete(platforms)


def _made(config: Config, selection: Selection, name: str) -> Platform:
    from iris_api.context import Context

    directory = config.controller.state.directory / "platforms" / name
    return selection.platforms[name].create(Context(cluster=config.cluster.name, directory=directory))


def _delete(platforms: Mapping[str, Platform]) -> None:
    going: set[str] = set()
    makers = [platform.machines for platform in platforms.values() if platform.machines is not None]
    deadline = time.monotonic() + _GONE
    while left := {one.slice_id: maker for maker in makers for one in maker.list()}:
        if time.monotonic() > deadline:
            raise PlatformError(f"after {_GONE:g} s there still are: {', '.join(sorted(left))}")
        for slice_id in left.keys() - going:
            click.echo(f"Deleting {slice_id} ...")
            left[slice_id].delete(slice_id)
            going.add(slice_id)
        time.sleep(_LOOK)
    click.echo("No machines are left.")
