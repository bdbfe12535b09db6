"""``iris up``: a cluster on this machine, until it is told to stop."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import click

from iris.cli._client import config_option

__all__ = ["up", "wait_for_signal"]


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
    ended = wait_for_signal()
    cluster = Cluster.durable(loaded)
    cluster.start()
    click.echo(f"Cluster {loaded.cluster.name!r} is up: controller at {cluster.address}")
    click.echo(f"  config: {loaded.source or 'none, all defaults'}")
    click.echo(f"  state:  {loaded.controller.state}")
    click.echo(f"  pools:  {', '.join(loaded.pools)}")
    click.echo(f"  try:    iris run --controller {cluster.address} -- echo hello")
    click.echo("Ctrl+C ends it.")
    try:
        ended.wait()
    finally:
        click.echo("Ending tasks, workers and controller ...")
        cluster.stop()
        click.echo("All gone.")


def wait_for_signal() -> threading.Event:
    """An event that SIGINT and SIGTERM set."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: ended.set())
    return ended
