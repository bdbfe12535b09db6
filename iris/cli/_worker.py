"""``iris worker``: one worker of a pool, for a controller that runs elsewhere."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import click

from iris.cli._client import client_for, controller_option
from iris.cli._up import catch_signals
from iris_api.errors import ConfigError, InvalidSpec, PlatformError

if TYPE_CHECKING:
    from iris.cluster.host import HostedWorker

__all__ = ["worker"]

_LOOK: Final = 1.0  # seconds between looks whether the worker still is one


@click.command()
@click.option(
    "--pool", default="default", show_default=True, help="Pool of the configuration that it belongs to."
)
@click.option("--id", "worker_id", help="Its id; keep it over restarts, so that it finds its tasks again.")
@click.option("--slice", "slice_id", help="Slice that its machine belongs to [default: one of its own].")
@click.option("--index", type=click.IntRange(min=0), default=0, help="Which machine of the slice it is on.")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where it keeps what runs [default: worker-<id> in the state directory].",
)
@click.option(
    "--advertise-host",
    metavar="HOST",
    help="Where others reach what its tasks listen on [default: its address towards the controller].",
)
@controller_option
def worker(
    pool: str,
    worker_id: str | None,
    slice_id: str | None,
    index: int,
    directory: Path | None,
    advertise_host: str | None,
    controller: str | None,
    config: Path | None,
) -> None:
    """Run a worker in the foreground. Ctrl+C or SIGTERM ends it, with every task of it.

    Example: iris worker --pool cpu --controller http://10.0.0.5:10000
    """
    from iris.cluster.host import WorkerHost
    from iris_api.config import load_config, select
    from iris_api.context import WorkerSpec
    from iris_api.ids import check_label, new_id
    from iris_api.threads import get_thread_registry

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    loaded = load_config(config)
    if pool not in loaded.pools:
        raise ConfigError([f"there is no pool {pool!r}; the configuration has {', '.join(loaded.pools)}"])
    connection = client_for(controller, config).connection
    identity = check_label(worker_id or new_id("worker"), "worker id")
    wait_for_signal = catch_signals()
    threads = get_thread_registry().container.child("worker")
    state = loaded.controller.state.directory
    selection = select(loaded)
    host = WorkerHost(
        selection.config,
        selection,
        controller=connection.address,
        token=connection.token,
        directory=directory or state / f"worker-{identity}",
        environments=(directory or state) / "environments",
        survives=worker_id is not None,
        threads=threads,
        advertise_host=advertise_host or _own_address(connection.address),
    )
    whose = check_label(slice_id or identity, "slice id")
    hosted = host.run(WorkerSpec(worker_id=identity, pool=pool, slice_id=whose, index=index))
    click.echo(f"Worker {identity} of pool {pool} serves {connection.address}. Ctrl+C ends it.")
    threads.spawn(lambda stop: _end_with(hosted, stop), "watch")
    wait_for_signal()
    replaced = [] if hosted.is_alive() else hosted.trouble()
    click.echo("Ending tasks ...")
    host.stop()
    if replaced:
        raise PlatformError(f"worker {identity} has ended: {replaced[0]}")


def _end_with(worker: HostedWorker, stop: threading.Event) -> None:
    """End this process as a signal does once its worker has ended: a newer process has its id."""
    while not stop.wait(_LOOK):
        if not worker.is_alive():
            os.kill(os.getpid(), signal.SIGTERM)
            return


def _own_address(controller: str) -> str:
    """This machine's address on the way to the controller. Nothing is sent."""
    parts = urlsplit(controller)
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port, type=socket.SOCK_DGRAM)
        family, kind, _, _, target = found[0]
        with socket.socket(family, kind) as probe:
            probe.connect(target)
            return str(probe.getsockname()[0])
    except OSError as error:
        text = f"the way to {controller} is not known: {error}; give --advertise-host"
        raise InvalidSpec(text) from error
