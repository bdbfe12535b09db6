"""What a worker is told when it starts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen

from iris_api.credentials import Token
from iris_api.resources import ResourceSpec
from iris_worker.machine import detect

__all__ = ["WorkerConfig"]


def _or_detected(given: ResourceSpec | None) -> ResourceSpec:
    return given if given is not None else detect()


@frozen(kw_only=True)
class WorkerConfig:
    """`directory` is the worker's own, on a local disk, the same after a restart with the same id.

    `resources` is what it offers, by default what `machine.detect` finds. `advertise_host` is where
    others reach what its tasks listen on. `default_env` are the platform's variables for every task.
    `stop_grace`: seconds between asking a task to end and ending it. `cluster`: whose controller it obeys;
    empty: that of the first one that answers. `worker_grace` and `absence` hold until the controller has
    told its own. `environments` is where packages of jobs are installed, which workers of one machine may
    share; None: below `directory`. `max_packages`: bytes of them that are kept. `build_timeout`: seconds that
    one installation may take.
    """

    worker_id: str
    pool: str = "default"
    slice_id: str = ""
    cluster: str = ""
    controller_address: str
    token: Token | None = None
    directory: Path
    resources: ResourceSpec = field(converter=_or_detected, default=None)
    attributes: Mapping[str, str] = field(factory=dict)
    advertise_host: str = "127.0.0.1"
    transport: str = "http"
    resolver: str = "cluster"
    default_env: Mapping[str, str] = field(factory=dict)
    stop_grace: float = 3.0
    worker_grace: float = 30.0
    absence: float = 3600.0
    environments: Path | None = None
    max_packages: int = 20 * 10**9
    build_timeout: float = 900.0
