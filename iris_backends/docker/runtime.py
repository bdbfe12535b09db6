"""DockerRuntime: one container per attempt."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final

from cattrs.errors import ClassValidationError

from iris_api.context import Context
from iris_api.errors import PlatformError
from iris_api.platform import Exit, ExitKind, Interpreter, Launch, LogSink, Mount, Runtime, Sandbox
from iris_api.supervised.runtime import RUNNER
from iris_api.supervised.watcher import Watcher
from iris_api.temporary import make_directory
from iris_backends.docker.config import DockerConfig
from iris_backends.docker.ended import EndedSandbox
from iris_backends.docker.engine import Engine
from iris_backends.docker.errors import DaemonDown, DockerError, Gone, NameTaken, NotRunnable
from iris_backends.docker.folder import Folder, Order, give
from iris_backends.docker.images import Images
from iris_backends.docker.keeper import Keeper
from iris_backends.docker.packages import packages, shared_cache
from iris_backends.docker.sandbox import ContainerSandbox
from iris_backends.docker.spec import Plan, container_body, labels, needs_way_in, place

__all__ = ["DockerRuntime"]

_log = logging.getLogger("iris.runtime")
_TEND: Final = 1.0  # seconds between two looks at the memory and the keeper of what runs
_END: Final = 10.0  # seconds for all to end when the runtime is closed


class DockerRuntime(Runtime):
    """With a directory, containers outlive this process and the next one adopts them; without, they end with
    it."""

    def __init__(self, config: DockerConfig, context: Context) -> None:
        self._config, self._cluster = config, context.cluster
        self._bound = context.directory is None
        self._root = context.directory.absolute() if context.directory else make_directory("containers")
        self._label = hashlib.sha256(str(self._root).encode()).hexdigest()[:16]
        self._engine = Engine(config.host)
        self._images = Images(self._engine, config.pull)
        self._threads = context.threads.child("containers")
        self._watcher = Watcher(self._threads, "containers")
        self._keeper = Keeper(
            self._root / "keeper",
            self._engine.url,
            f"iris.root={self._label}",
            bound=self._bound,
            remove=self._root if self._bound else None,
        )
        self._lock = threading.Lock()
        self._sandboxes: dict[str, ContainerSandbox] = {}
        self._tended = False
        self._closed = False
        self._cpus = 0
        self._gateway = ""

    def interpreter(self, image: str) -> Interpreter:
        name = image or self._config.image
        return Interpreter(("python3",), self._images.ensure(name), self._images.path_in(name))

    def start(self, launch: Launch) -> Sandbox:
        folder = Folder(self._attempts / launch.uid)
        try:
            folder.make(launch, self._config.owner)
        except FileExistsError as error:
            raise PlatformError(f"attempt {launch.uid} has been started before") from error
        except OSError as error:
            folder.remove()
            raise PlatformError(f"attempt {launch.uid} cannot be started: {error}") from error
        try:
            return self._start(folder, launch)
        except NotRunnable as error:
            self._undo(folder)
            return self._not_run(launch, error)
        except OSError as error:
            self._undo(folder)
            raise PlatformError(f"attempt {launch.uid} cannot be started: {error}") from error
        except BaseException:
            self._undo(folder)
            raise

    def adopt(self, sink_for: Callable[[str], LogSink]) -> Sequence[Sandbox]:
        if not self._attempts.is_dir():
            return ()
        for leftover in self._attempts.glob(".*"):
            shutil.rmtree(leftover, ignore_errors=True)
        found = {one["Labels"]["iris.attempt"]: one for one in self._engine.containers(self._labels)}
        folders = {path.name: Folder(path) for path in sorted(self._attempts.iterdir())}
        for uid in found.keys() - folders.keys():
            self._sweep(found[uid])
        if found:
            self._keeper.keep_up()  # before the lease of the last worker is over
        adopted = (self._adopt_or_tell(folder, found.get(uid), sink_for) for uid, folder in folders.items())
        return [sandbox for sandbox in adopted if sandbox is not None]

    def forget(self, uid: str) -> None:
        with self._lock:
            running = uid in self._sandboxes
        folder = Folder(self._attempts / uid)
        if not running and folder.path.exists():
            self._remove_all(uid)
            folder.remove()

    def close(self) -> None:
        """Follow nothing any more. What runs goes on if there is a directory, else it ends."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            running = list(self._sandboxes.values())
        if self._bound:
            self._end_all(running)
        for sandbox in running:
            sandbox.let_go()
        self._watcher.close()
        for sandbox in running:
            sandbox.close()
        self._threads.stop()
        self._keeper.close(end_containers=self._bound)
        self._engine.close()
        if self._bound:
            shutil.rmtree(self._root, ignore_errors=True)

    @property
    def _attempts(self) -> Path:
        return self._root / "attempts"

    @property
    def _labels(self) -> dict[str, str]:
        return {"iris.root": self._label}

    def _start(self, folder: Folder, launch: Launch) -> Sandbox:
        give(launch.workdir, self._config.owner)
        for mount in launch.mounts:
            if not mount.read_only:
                give(mount.source, self._config.owner, all_below=False)
        image = launch.image or self._config.image
        self._images.ensure(image)
        self._keeper.hold(launch.lease, launch.info.controller_address)
        name = _name(launch.uid)
        container = self._create(name, container_body(self._plan(folder, launch, image)), launch.uid)
        order = Order(
            container=container,
            is_call=bool(launch.entry.call),
            image=image,
            output_limit=launch.output_limit,
            memory=launch.limits.memory,
        )
        folder.keep_order(order)
        self._engine.start(container, name)
        return self._follow(folder, order, launch.output)

    def _create(self, name: str, body: Mapping[str, Any], uid: str) -> str:
        """The id of a new container, or of the one that an earlier try has made whose answer was lost."""
        try:
            return self._engine.create(name, body)
        except NameTaken:
            for one in self._engine.containers(self._labels | {"iris.attempt": uid}):
                return str(one["Id"])
            raise

    def _plan(self, folder: Folder, launch: Launch, image: str) -> Plan:
        way_in = ""
        if needs_way_in(launch, self._config):
            way_in = self._keeper.way_in(self._gateway_address(), launch.info.controller_address)
        lent = packages(shared_cache())
        return Plan(
            launch=launch,
            config=self._config,
            folder=folder,
            place=place(launch, self._config, way_in),
            image=image,
            user=self._config.owner,
            cpus=self._cpu_count(),
            python=("python3", str(RUNNER), str(folder.call), str(lent)),
            provided=(Mount(RUNNER, RUNNER), Mount(lent, lent)),
            labels=labels(self._cluster, self._label, launch),
        )

    def _follow(self, folder: Folder, order: Order, sink: LogSink) -> ContainerSandbox:
        sandbox = ContainerSandbox(
            folder, order, self._engine, sink, self._watcher, self._threads, self._ended
        )
        with self._lock:
            if self._closed:
                raise PlatformError("this runtime is closed")
            self._sandboxes[folder.uid] = sandbox
            begins, self._tended = not self._tended, True
        try:
            sandbox.follow()
        except BaseException:
            self._ended(folder.uid)
            raise
        if begins:
            self._threads.spawn(self._tend_all, "containers-tend")
        return sandbox

    def _sweep(self, found: Mapping[str, Any]) -> None:
        try:
            self._engine.remove(found["Id"])
        except DockerError as error:  # the next worker tries again
            _log.warning("a container that nobody wants is left: %s", error)

    def _adopt_or_tell(
        self, folder: Folder, found: Mapping[str, Any] | None, sink_for: Callable[[str], LogSink]
    ) -> Sandbox | None:
        """One that cannot be adopted must not keep the worker from the others; its container is removed when
        its end is acknowledged."""
        try:
            return self._adopt(folder, found, sink_for)
        except DaemonDown:
            raise
        except (DockerError, OSError, ValueError, ClassValidationError) as error:
            _log.exception("attempt %s cannot be adopted", folder.uid)
            return EndedSandbox(
                folder.uid, Exit(kind=ExitKind.UNKNOWN, message=f"it cannot be adopted: {error}")
            )

    def _adopt(
        self, folder: Folder, found: Mapping[str, Any] | None, sink_for: Callable[[str], LogSink]
    ) -> Sandbox | None:
        """What was never started is removed: its attempt has not begun."""
        order = folder.order()
        if found is None or not order.container or self._is_unborn(found):
            kept = folder.exit()
            if found is None and order.container and not kept:
                kept = Exit(kind=ExitKind.UNKNOWN, message="its container is gone: somebody has removed it")
            if kept is not None:
                return EndedSandbox(folder.uid, kept)
            self._undo(folder)
            return None
        return self._follow(folder, order, sink_for(folder.uid))

    def _is_unborn(self, found: Mapping[str, Any]) -> bool:
        """A list does not wait for a start that is under way, of which the last worker has not heard."""
        return found["State"] == "created" and self._state(found["Id"]) == "created"

    def _state(self, container: str) -> str:
        try:
            return str(self._engine.inspect(container)["State"]["Status"])
        except Gone:
            return "created"

    def _undo(self, folder: Folder) -> None:
        """Nothing is left of a start that failed; what the daemon cannot remove the next adoption does."""
        with contextlib.suppress(DockerError):
            self._remove_all(folder.uid, patience=0)
        folder.remove()

    def _remove_all(self, uid: str, patience: float | None = None) -> None:
        """The container of an attempt. Not by its name: that may be somebody else's."""
        for one in self._engine.containers(self._labels | {"iris.attempt": uid}, patience):
            self._engine.remove(one["Id"], patience)

    def _not_run(self, launch: Launch, error: NotRunnable) -> Sandbox:
        """A program that is not in the image is the job's fault, an interpreter the image's."""
        if launch.entry.call:
            image = launch.image or self._config.image
            why = f"image {image} has no python3 that could run a call ({error})"
            return EndedSandbox(launch.uid, Exit(kind=ExitKind.ENVIRONMENT, message=why, of_job=True))
        message = f"cannot run {launch.entry.argv[0] or repr('')}: {error}"
        launch.output.write("stderr", f"iris: {message}", time.time_ns() // 1000)
        return EndedSandbox(launch.uid, Exit(kind=ExitKind.EXITED, code=error.code, message=message))

    def _tend_all(self, stop: threading.Event) -> None:
        while not stop.wait(_TEND):
            with self._lock:
                running = list(self._sandboxes.values())
                if not running:
                    self._tended = False
                    return
            self._tend(running)

    def _tend(self, running: Sequence[ContainerSandbox]) -> None:
        for sandbox in running:
            sandbox.sample()
        try:
            self._keeper.keep_up()
        except PlatformError as error:  # tried again in a second
            _log.warning("containers have no keeper: %s", error)

    def _end_all(self, running: Sequence[ContainerSandbox]) -> None:
        for sandbox in running:
            sandbox.stop(0.0)
        deadline = time.monotonic() + _END
        for sandbox in running:
            if sandbox.wait(max(0.0, deadline - time.monotonic())) is None:
                _log.error("attempt %s has not ended within %g s", sandbox.uid, _END)
        for one in self._engine.containers(self._labels) if self._attempts.is_dir() else ():
            self._engine.remove(one["Id"])

    def _cpu_count(self) -> int:
        if not self._cpus:
            self._cpus = int(self._engine.info()["NCPU"])
        return self._cpus

    def _gateway_address(self) -> str:
        """This machine's address in the containers' network."""
        if not self._gateway:
            found = self._engine.network(self._config.network)["IPAM"]["Config"][0]
            self._gateway = found.get("Gateway") or str(next(ip_network(found["Subnet"]).hosts()))
        return self._gateway

    def _ended(self, uid: str) -> None:
        with self._lock:
            self._sandboxes.pop(uid, None)


def _name(uid: str) -> str:
    return f"iris-{uid}"
