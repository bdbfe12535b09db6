"""Cluster: a controller, its pools and the workers of this process, as a config says.

The only place where the parts are put together; every platform goes through it.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve

from iris.client.connection import disconnect
from iris.cluster.host import STOP, WorkerHost
from iris.cluster.settings import worker_settings
from iris.cluster.strays import end_strays
from iris_api.config import BoundPool, Config, Selection, StateConfig, bind_pools, load_config, select
from iris_api.context import Context
from iris_api.credentials import (
    Token,
    forget_cluster_token,
    new_token,
    read_token,
    store_cluster_token,
    write_token,
)
from iris_api.errors import PlatformError
from iris_api.ids import new_id
from iris_api.platform import Platform
from iris_api.plugins import Plugins
from iris_api.resolver import Resolver
from iris_api.temporary import make_directory
from iris_api.threads import ThreadContainer, get_thread_registry

if TYPE_CHECKING:
    from iris_controller.controller import Controller
    from iris_controller.pools import Pool
    from iris_controller.retention import Retention

__all__ = ["Cluster"]

_NAME = 52  # letters of a cluster's name in that of one that keeps nothing
_HURRY = 0.5  # seconds for telling tasks and workers to end, where nobody waits for it
_log = logging.getLogger(__name__)


class Cluster:
    """A controller with its pools. `start` and `stop` once each; `address` is known after `start`."""

    def __init__(
        self,
        config: Config,
        *,
        state: Path | None,
        plugins: Plugins | None = None,
        threads: ThreadContainer | None = None,
        lost: Callable[[Exception], None] | None = None,
    ) -> None:
        """`state` None: everything is kept in a temporary directory and ends with the cluster. `lost` is
        called when another controller has taken the state: the cluster is then to be stopped.

        Raises ConfigError with all that is wrong, before anything starts.
        """
        self._selection: Selection = select(config, plugins)
        self._config = self._selection.config
        self._state = state
        self._lost = lost
        owner = threads if threads is not None else get_thread_registry().container
        self._threads = owner.child(f"cluster-{config.cluster.name}")
        self._undo: list[Callable[[], object]] = []
        self._patience = STOP  # seconds that a step of stopping may take
        name = config.cluster.name  # of clusters that keep nothing there may be several at a time
        self._known_as = name if state is not None else new_id(name[:_NAME].rstrip("-"))
        self.token: Token = new_token() if state is None else _kept_token(state / "token")
        self.address = ""
        self._controller: Controller | None = None

    @classmethod
    def temporary(
        cls, *, config: Path | None = None, runtime: str | None = None, threads: ThreadContainer | None = None
    ) -> Cluster:
        """A cluster that keeps nothing, on a port of its own. `runtime` replaces that of every pool."""
        loaded = load_config(config)
        pools = loaded.pools
        if runtime is not None:
            pools = {name: evolve(pool, runtime=runtime) for name, pool in pools.items()}
        host = loaded.controller.listen.rpartition(":")[0]
        own_port = evolve(loaded.controller, listen=f"{host}:0")
        return cls(evolve(loaded, pools=pools, controller=own_port), state=None, threads=threads)

    @classmethod
    def durable(
        cls,
        config: Config,
        *,
        threads: ThreadContainer | None = None,
        lost: Callable[[Exception], None] | None = None,
    ) -> Cluster:
        """A cluster that goes on where it was when it is started again on the same state directory."""
        return cls(config, state=config.controller.state.directory, threads=threads, lost=lost)

    def start(self) -> None:
        """Start the controller and have its pools filled; returns when the controller serves.

        Raises PlatformError where the address or the state directory cannot be had, ConfigError and
        PluginError for what only the platforms can tell; then nothing is left running.
        """
        try:
            directory = self._state or self._temporary_directory()
            self._start_controller()
            self._start_pools(directory)
        except BaseException:
            self.stop()
            raise

    def stop(self, wait: bool = True) -> None:
        """End the tasks, the workers and the controller; with `wait`, block (bounded) until they are
        gone, else until they have been told. Idempotent."""
        self._patience = STOP if wait else _HURRY
        while self._undo:
            step = self._undo.pop()
            try:
                step()
            except Exception:
                _log.exception("a step of stopping the cluster failed; the others go on")
        self._threads.stop(timeout=2.0 if wait else _HURRY)

    def resolver(self) -> Resolver:
        """A new one, as the config selects; for the caller to close."""
        made: Resolver = self._selection.resolver.create(
            Context(
                cluster=self._config.cluster.name,
                controller=self.address,
                token=self.token,
                threads=self._threads.child("resolver"),
            )
        )
        return made

    def _temporary_directory(self) -> Path:
        directory = make_directory("cluster")
        self._undo.append(lambda: shutil.rmtree(directory, ignore_errors=True))
        return directory

    def _start_controller(self) -> None:
        from iris_controller.controller import Controller, ControllerConfig
        from iris_controller.rows import PoolSpec
        from iris_controller.rules import Quota, Rules

        listen = self._config.controller
        pools = tuple(
            PoolSpec(name=name, resources=pool.resources, max=pool.max * pool.size)
            for name, pool in self._config.pools.items()
        )
        quotas = {
            user: Quota(running=quota.running, pending=quota.pending)
            for user, quota in self._config.quotas.items()
        }
        controller = self._controller = Controller(
            ControllerConfig(
                cluster=self._config.cluster.name,
                host=listen.host,
                port=listen.port,
                state=self._state,
                database=listen.state.database if self._state is not None else "",
                retention=_retention(listen.state),
                token=self.token,
                rules=Rules(pools=pools, quotas=quotas, grace=listen.worker_grace),
                absence=listen.absence,
            ),
            threads=self._threads.child("controller"),
            lost=self._lost,
        )
        controller.start()
        self._undo.append(lambda: controller.stop(min(self._patience, 5.0)))
        self.address = controller.address
        self._undo.append(lambda: disconnect(self.address))
        store_cluster_token(self.address, self.token)
        if self._state is None:
            self._undo.append(lambda: forget_cluster_token(self.address))

    def _start_pools(self, directory: Path) -> None:
        from iris_controller.pools import PoolKeeper, delete_slices

        host = WorkerHost(
            self._config,
            self._selection,
            controller=self.address,
            token=self.token,
            directory=directory / "workers",
            environments=directory / "environments",
            survives=self._state is not None,
            threads=self._threads.child("workers"),
            cluster=self._config.cluster.name,
        )
        self._undo.append(lambda: host.stop(self._patience))
        end_strays(directory / "workers", self._config, self._threads.child("strays"))
        platforms = {
            name: selected.create(self._context(directory / "platforms" / name, host))
            for name, selected in self._selection.platforms.items()
        }
        self._undo.append(lambda: _close(self._selection, platforms))
        bound = bind_pools(self._config, platforms)
        pools = [_pool(pool, self._selection) for pool in bound.values()]
        if self._state is None:  # nobody will come back to what they have made
            ends = self._threads.child("ends")
            self._undo.append(lambda: delete_slices(pools, ends, self._patience))
        keeper = PoolKeeper(pools, threads=self._threads.child("pools"))
        keeper.start()
        assert self._controller is not None
        self._controller.tell_of(lambda: [*keeper.troubles().values(), *host.troubles()])
        self._undo.append(keeper.stop)

    def _context(self, directory: Path, host: WorkerHost) -> Context:
        return Context(
            cluster=self._known_as,
            controller=self.address,
            token=self.token,
            threads=self._threads.child("platform"),
            directory=directory,
            run_worker=host.run,
            worker_settings=partial(worker_settings, self._config),
        )


def _kept_token(path: Path) -> Token:
    """The token of the cluster on this state directory, made at its first start."""
    found = read_token(path)
    if found is None:
        found = new_token()
        try:
            write_token(path, found)
        except OSError as error:
            raise PlatformError(f"the state directory {path.parent} cannot be used: {error}") from error
    return found


def _retention(kept: StateConfig) -> Retention:
    from iris_controller.retention import Retention

    return Retention(
        ended=kept.keep_ended,
        tasks=kept.keep_tasks,
        age=kept.keep_for,
        bundles=kept.keep_bundles,
        log_bytes=kept.max_logs,
    )


def _close(selection: Selection, platforms: Mapping[str, Platform]) -> None:
    with contextlib.ExitStack() as stack:
        for name, platform in platforms.items():
            stack.callback(selection.platforms[name].close, platform)


def _pool(bound: BoundPool, selection: Selection) -> Pool:
    from iris_controller.pools import Pool

    return Pool(
        name=bound.name,
        machines=bound.machines,
        min=bound.config.min,
        max=bound.config.max,
        size=bound.config.size,
        template=bound.template,
        resources=bound.config.resources,
        plugin=str(selection.platforms[bound.config.platform].plugin.info),
    )
