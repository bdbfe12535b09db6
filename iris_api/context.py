"""Context: what the core lends a plugin. Narrow on purpose."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from attrs import field, frozen

from iris_api.credentials import Token
from iris_api.resources import ResourceSpec
from iris_api.threads import ThreadContainer, get_thread_registry

__all__ = ["Context", "RunningWorker", "WorkerSpec"]


@frozen(kw_only=True)
class WorkerSpec:
    """A worker to be started: machine `index` of a slice of a pool."""

    worker_id: str
    pool: str
    slice_id: str
    index: int = 0


class RunningWorker(Protocol):
    """A worker that runs in this process."""

    def is_alive(self) -> bool:
        """Whether it has not ended, by itself or stopped."""

    def stop(self) -> None:
        """Have it end, with all that it runs; returns at once."""


@frozen(kw_only=True)
class Context:
    """`controller` is its address, empty where there is none. `directory` is on a local disk, for
    what the plugin must find again after a restart; it may not exist yet. `run_worker` starts a worker in
    this process. `worker_settings`, of a pool, are the tables of the iris.toml for ``iris worker`` elsewhere,
    which `iris_api.config.to_toml` writes; its second argument is for a pool that names no resources. Both
    are None where there is no controller."""

    cluster: str = "default"
    controller: str = ""
    token: Token | None = None
    log: logging.Logger = field(factory=lambda: logging.getLogger("iris.plugin"))
    threads: ThreadContainer = field(factory=lambda: get_thread_registry().container)
    clock: Callable[[], float] = time.monotonic
    directory: Path | None = None
    run_worker: Callable[[WorkerSpec], RunningWorker] | None = None
    worker_settings: Callable[[str, ResourceSpec | None], Mapping[str, Any]] | None = None
