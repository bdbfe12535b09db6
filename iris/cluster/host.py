"""WorkerHost: the workers of this process, each with a runtime object of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from iris.cluster.strays import claim
from iris_api.config import Config, Selection
from iris_api.context import Context, WorkerSpec
from iris_api.credentials import Token
from iris_api.threads import ThreadContainer

if TYPE_CHECKING:
    from iris_worker.worker import Worker

__all__ = ["HostedWorker", "WorkerHost"]

STOP: Final = 8.0  # seconds: the grace of attempts and some more


class HostedWorker:
    """A worker that runs in this process."""

    def __init__(self, worker: Worker, close: Callable[[], None], threads: ThreadContainer) -> None:
        """`close` releases the platform whose runtime it uses."""
        self._worker, self._close, self._threads = worker, close, threads
        self._lock = threading.Lock()
        self._stopped = False

    def is_alive(self) -> bool:
        return self._worker.is_alive()

    def trouble(self) -> list[str]:
        """Why it does not do its work; empty while it does."""
        return self._worker.trouble()

    def hangs(self) -> list[str]:
        """A sentence for each call that its runtime does not return from."""
        return self._worker.hangs()

    def stop(self) -> None:
        """Have it end, with all that it runs; returns at once."""
        self._threads.spawn(lambda _stop: self.end(STOP), name="end")

    def end(self, timeout: float) -> None:
        """Stop the attempts, tell the controller, and wait until it is all gone, at most about `timeout`
        seconds. Idempotent."""
        with self._lock:
            if not self._stopped:
                self._stopped = True
                self._worker.stop(timeout)
                self._close()


class WorkerHost:
    """Starts workers for the pools of a config. Safe from several threads."""

    def __init__(
        self,
        config: Config,
        selection: Selection,
        *,
        controller: str,
        token: Token | None,
        directory: Path,
        survives: bool,
        threads: ThreadContainer,
        environments: Path | None = None,
        cluster: str = "",
        advertise_host: str = "127.0.0.1",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`survives`: a later process on `directory` will look after what workers of this one left.
        `environments`: where all of them have the packages of jobs; None: each its own. `cluster`: of the
        controller; empty: the first that answers. `advertise_host`: where others reach what tasks listen on.
        `clock` tells how long a call of a plugin has not returned."""
        self._cluster, self._advertise_host = cluster, advertise_host
        self._survives = survives
        self._config, self._selection = config, selection
        self._controller, self._token = controller, token
        self._directory, self._environments = directory, environments
        self._threads, self._clock = threads, clock
        self._lock = threading.Lock()
        self._workers: list[HostedWorker] = []

    def run(self, spec: WorkerSpec) -> HostedWorker:
        """Start a worker; returns when it runs, which is before its controller knows it."""
        from iris_worker.config import WorkerConfig
        from iris_worker.worker import Worker

        pool = self._config.pools[spec.pool]
        if self._survives:
            claim(self._directory / spec.worker_id, self._config, spec.pool)
        threads = self._threads.child(spec.worker_id)
        selected = self._selection.platforms[pool.runtime or pool.platform]
        platform = selected.create(
            Context(
                cluster=self._config.cluster.name,
                controller=self._controller,
                token=self._token,
                threads=threads.child("runtime"),
                directory=self._directory / spec.worker_id / "sandboxes" if self._survives else None,
            )
        )
        assert platform.runtime is not None  # bind_pools has looked
        config = WorkerConfig(
            worker_id=spec.worker_id,
            pool=spec.pool,
            slice_id=spec.slice_id,
            cluster=self._cluster,
            controller_address=self._controller,
            token=self._token,
            resources=pool.resources,
            attributes={"pool": spec.pool, "slice": spec.slice_id, "slice_index": str(spec.index)},
            directory=self._directory / spec.worker_id,
            advertise_host=self._advertise_host,
            transport=self._config.transport.kind,
            resolver=self._config.resolver.kind,
            default_env=_import_path(),
            worker_grace=self._config.controller.worker_grace,
            absence=self._config.controller.absence,
            environments=self._environments,
            max_packages=pool.max_packages,
        )
        plugin = str(selected.plugin.info)
        worker = Worker(config, platform.runtime, threads=threads, plugin=plugin, clock=self._clock)
        try:
            worker.start()
        except BaseException:
            selected.close(platform)
            raise
        hosted = HostedWorker(worker, partial(selected.close, platform), threads)
        with self._lock:
            self._workers.append(hosted)
        return hosted

    def troubles(self) -> list[str]:
        """A sentence for each call that a worker's runtime does not return from."""
        with self._lock:
            workers = [worker for worker in self._workers if worker.is_alive()]
        return [text for worker in workers for text in worker.hangs()]

    def stop(self, timeout: float = STOP) -> None:
        """End all workers, side by side, and wait until they are gone, at most about `timeout` seconds."""
        with self._lock:
            workers, self._workers = self._workers, []
        ends = [self._threads.spawn(lambda _stop, w=worker: w.end(timeout), name="end") for worker in workers]  # type: ignore[misc]
        for end in ends:
            end.join(timeout=timeout + 1.0)


def _import_path() -> dict[str, str]:
    """Tasks on this machine may import what this program can: its own directories, not the
    interpreter's. A job's own PYTHONPATH replaces it."""
    import os
    import sys

    installed = {str(Path(path).resolve()) for path in (sys.prefix, sys.base_prefix)}
    own = [str(Path(path or ".").resolve()) for path in sys.path if Path(path or ".").is_dir()]
    kept = [path for path in own if not any(path.startswith(prefix + os.sep) for prefix in installed)]
    return {"PYTHONPATH": os.pathsep.join(dict.fromkeys(kept))}
