"""Controller: state, loop, services and server, put together and taken apart in order."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import logging
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from attrs import field, frozen

from iris_api.credentials import Token
from iris_api.errors import PlatformError
from iris_api.rpc.serving import Server, serve
from iris_api.temporary import make_directory
from iris_api.threads import ThreadContainer, get_thread_registry
from iris_controller.bundles import BundleApp, BundleStore
from iris_controller.clock import Clock, system_clock
from iris_controller.clock_mark import moved_since_mark
from iris_controller.core import Core
from iris_controller.endpoints_service import EndpointsService, EndpointVersions
from iris_controller.logs import LogStore
from iris_controller.loop import ControlLoop
from iris_controller.polls import Polls
from iris_controller.pruner import Pruner
from iris_controller.restore import restore
from iris_controller.retention import Retention
from iris_controller.rows import PoolSpec
from iris_controller.rules import Rules
from iris_controller.service import ControllerService
from iris_controller.state import State
from iris_controller.store import MemoryStore, StateLost, Store
from iris_controller.store.lock import StateLock
from iris_controller.wakes import Wakes
from iris_controller.web import make_app
from iris_controller.workers_service import WorkersService

__all__ = ["Controller", "ControllerConfig", "PoolSpec", "Retention", "Rules", "StateLost"]

_log = logging.getLogger("iris.controller")
_READY: Final = 15.0  # seconds for the first turn of the control loop
_FILE_THREADS: Final = 4  # logs and bundles


@frozen(kw_only=True)
class ControllerConfig:
    """`state` None: everything is kept in memory and a temporary directory, and ends with the controller.
    `database`: URL of the PostgreSQL database that has the rows, "" for a file of SQLite in `state`.
    `port` 0 picks one. `absence`: seconds for which workers go on while this controller is away."""

    cluster: str = "default"
    host: str = "127.0.0.1"
    port: int = 0
    state: Path | None = None
    database: str = ""
    token: Token | None = None
    rules: Rules = field(factory=Rules)
    retention: Retention = field(factory=Retention)
    log_quota: int = 64 * 2**20  # bytes an attempt
    absence: float = 3600.0


class Controller:
    """Jobs, workers and endpoints of one cluster, on one port. `start` and `stop` once each."""

    def __init__(
        self,
        config: ControllerConfig,
        *,
        threads: ThreadContainer | None = None,
        store: Store | None = None,
        lost: Callable[[StateLost], None] | None = None,
        clock: Clock = system_clock,
    ) -> None:
        """`store` replaces the one that `config.state` asks for. `lost` is called, on the event loop, when
        another controller has the state: this one then only refuses, and is to be stopped."""
        owner = threads if threads is not None else get_thread_registry().container
        self._config = config
        self._threads = owner.child(f"controller-{config.cluster}")
        self._given_store = store
        self._lost = lost
        self._clock = clock
        self._stack = contextlib.ExitStack()
        self._server: Server | None = None
        self._loop: ControlLoop | None = None
        self._pruner: Pruner | None = None
        self._polls = Polls()
        self._tellers: list[Callable[[], Sequence[str]]] = []

    @property
    def address(self) -> str:
        """``http://host:port``; known once it has started."""
        if self._server is None:
            raise RuntimeError("the controller has no address: it has not started")
        return self._server.address

    def tell_of(self, troubles: Callable[[], Sequence[str]]) -> None:
        """Show these on /health too: what stands still around the controller, which itself is well."""
        self._tellers.append(troubles)

    def start(self) -> None:
        """Returns when it serves and its control loop has made a turn. Raises PlatformError where the
        state directory or the port cannot be had; then nothing is left running."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self, timeout: float = 5.0) -> None:
        """Answer what waits, store what was accepted, and end. Idempotent."""
        if self._pruner is not None:
            self._pruner.stop(timeout)
        server, self._server = self._server, None
        if server is not None:
            try:
                self._on_loop(timeout / 2)
            except Exception as error:
                _log.warning("the control loop was cut off: %s: %s", type(error).__name__, error)
            server.stop(timeout)
        self._threads.stop(timeout)
        self._stack.close()

    def _start(self) -> None:
        lock, store = self._open()
        self._moved = moved_since_mark(self._directory)
        with _uncollected():
            state = State(restore(store.load(), self._clock(), self._moved))
        wakes = Wakes(self._polls, EndpointVersions(int(self._clock().wall * 1000)))
        writer = self._threads.spawn_executor(1, "store")
        loop = self._loop = ControlLoop(
            state,
            store,
            rules=self._config.rules,
            executor=writer,
            merged=wakes.merged,
            lost=self._note_loss,
            clock=self._clock,
        )
        server = self._server = self._serve(loop, wakes)
        if lock is not None:
            lock.note(server.address)
        writer.submit(store.note, server.address).result(_READY)
        _await_ready(server, self._config.host)
        assert self._pruner is not None
        self._pruner.start(self._threads)
        if store.tend_every is not None:
            self._threads.spawn_loop(functools.partial(_tend, store, store.tend_every), "tend")

    def _open(self) -> tuple[StateLock | None, Store]:
        if self._config.state is None:
            self._directory = make_directory("controller")
            self._stack.callback(shutil.rmtree, self._directory, ignore_errors=True)
            return None, self._given_store or MemoryStore()
        self._directory = self._config.state
        try:
            lock = StateLock(self._directory)
        except OSError as error:
            raise PlatformError(f"the state directory {self._directory} cannot be used: {error}") from error
        self._stack.callback(lock.release)
        store = self._given_store or self._open_store()
        self._stack.callback(store.close)
        return lock, store

    def _note_loss(self, error: StateLost) -> None:
        """On the event loop. Whoever waits for an answer gets the refusal now."""
        self._polls.close()
        if self._lost is not None:
            self._lost(error)

    def _open_store(self) -> Store:
        from iris_controller.store.opening import open_store

        return open_store(self._directory, self._config.database)

    def _serve(self, loop: ControlLoop, wakes: Wakes) -> Server:
        logs = LogStore(self._directory / "logs", self._config.log_quota)
        bundles = BundleStore(self._directory / "bundles")
        disk = self._threads.spawn_executor(_FILE_THREADS, "files")
        core = Core(self._config.cluster, loop, self._polls, logs, bundles, disk)
        self._pruner = Pruner(loop, logs, bundles, self._config.retention, moved=self._moved)
        wakes.discard = logs.discard
        wakes.executor = disk
        services: dict[str, object] = {
            "Controller": ControllerService(core),
            "Endpoints": EndpointsService(core, wakes.versions),
            "Workers": WorkersService(core, self._config.absence),
        }
        return serve(
            make_app(services, BundleApp(bundles, disk), loop, self._troubles),
            host=self._config.host,
            port=self._config.port,
            threads=self._threads,
            name="controller",
            token=self._config.token,
        )

    def _troubles(self) -> list[str]:
        return [text for teller in self._tellers for text in teller()]

    def _on_loop(self, timeout: float) -> None:
        """Close loop and polls on their own event loop, so that the server has nothing left to wait for."""
        loop = self._loop.event_loop if self._loop is not None else None
        if loop is not None and self._loop is not None:
            asyncio.run_coroutine_threadsafe(self._close(self._loop), loop).result(timeout)

    async def _close(self, loop: ControlLoop) -> None:
        self._polls.close()
        await loop.close()


def _tend(store: Store, every: float, stop: threading.Event) -> None:
    while not stop.wait(every):
        try:
            store.tend()
        except PlatformError as error:  # a full disk, say: commits tell of it
            _log.debug("%s", error)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """The collector would look at all rows again and again while they are made; none is garbage."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _await_ready(server: Server, host: str) -> None:
    """Ask for our own health until it is good: that starts the control loop, and shows that all of it
    works before anybody else relies on it."""
    deadline = time.monotonic() + _READY
    last = b""
    for last in _healths(server, host):
        if b" 200 " in last.partition(b"\r\n")[0]:
            return
        if time.monotonic() > deadline:
            break
    raise PlatformError(f"the controller did not get ready within {_READY:.0f} s: {last[-300:]!r}")


def _healths(server: Server, host: str) -> Iterator[bytes]:
    target = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    request = b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    while True:
        with socket.create_connection((target, server.port), timeout=_READY) as connection:
            connection.sendall(request)
            reply = b""
            while chunk := connection.recv(4096):
                reply += chunk
        yield reply
        time.sleep(0.005)
