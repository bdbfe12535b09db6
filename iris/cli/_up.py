"""``iris up``: a cluster on this machine, until it is told to stop."""

from __future__ import annotations

import gc
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from iris.cli._client import config_option

__all__ = ["catch_signals", "make_room", "up"]

_ENDING: Final = frozenset({signal.SIGINT, signal.SIGTERM})
_FILES: Final = 65_536
_GARBAGE: Final = (20_000, 20, 50)  # with the default a tenth of the controller's time goes there


@click.command()
@config_option
def up(config: Path | None) -> None:
    """Start a cluster on this machine, the controller and what its pools need, and stay in the
    foreground. Ctrl+C or SIGTERM ends it, with every task; a later start goes on with its jobs.

    Example: iris up --config iris.toml
    """
    from iris.cluster.compose import Cluster
    from iris_api.config import load_config

    loaded = load_config(config)
    wait_for_signal = catch_signals()
    losses: list[Exception] = []

    def lost(error: Exception) -> None:
        losses.append(error)
        os.kill(os.getpid(), signal.SIGTERM)

    cluster = Cluster.durable(loaded, lost=lost)
    cluster.start()
    make_room()
    click.echo(f"Cluster {loaded.cluster.name!r} is up: controller at {cluster.address}")
    click.echo(f"  config: {loaded.source or 'none, all defaults'}")
    state = loaded.controller.state
    click.echo(f"  state:  {state.directory}{f', rows in {state.database}' if state.database else ''}")
    click.echo(f"  pools:  {', '.join(loaded.pools)}")
    click.echo(f"  try:    iris run --controller {cluster.address} -- echo hello")
    click.echo("Ctrl+C ends it.")
    try:
        wait_for_signal()
    finally:
        click.echo("Ending tasks, workers and controller ...")
        cluster.stop()
        click.echo("All gone.")
    if losses:
        raise losses[0]


def make_room() -> None:
    """Have this process hold a large cluster: a connection needs a file, of which the usual 1,024 are few;
    and most objects are rows that stay: to look through them for garbage takes long and finds none."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GARBAGE)


def catch_signals() -> Callable[[], object]:
    """From now on SIGINT and SIGTERM are kept; returns what blocks until there is one.

    The interpreter's own handler writes to a pipe, in whichever thread it comes. One in Python would only
    run once the main thread runs, which has perhaps just begun to read, and would not be woken.
    """
    received, caught = os.pipe()
    os.set_blocking(caught, False)
    signal.set_wakeup_fd(caught, warn_on_full_buffer=False)
    for number in _ENDING:
        signal.signal(number, lambda _number, _frame: None)

    def wait() -> None:
        while not _ENDING.intersection(os.read(received, 512)):  # the pipe has the numbers of all signals
            continue

    return wait
