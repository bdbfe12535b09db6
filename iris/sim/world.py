"""World: one simulated cluster, put together of real parts on simulated machines."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from iris.sim.calls import pool_on
from iris.sim.checks import Checks
from iris.sim.disk import Disk, SimLock, SimStore, format_disk, quick_engine
from iris.sim.faults import Faults
from iris.sim.machines import Machine
from iris.sim.network import Network
from iris.sim.sandboxes import SimSandbox
from iris.sim.server import SimServer, serve_on
from iris.sim.slices import SimMachines
from iris.sim.users import User
from iris_api.credentials import Token
from iris_api.errors import PlatformError
from iris_api.ids import TaskId
from iris_api.resources import ResourceSpec
from iris_api.testing.sim import Kernel, Patch, Process, Waiter, simulated
from iris_api.testing.sim.sync import Event
from iris_api.threads import ThreadContainer, thread_registry_scope
from iris_controller import controller as controllers
from iris_controller.controller import Controller, ControllerConfig
from iris_controller.loop import ControlLoop
from iris_controller.rows import PoolSpec
from iris_controller.rules import Rules
from iris_controller.store.sqlite import Sqlite

__all__ = ["World"]

PORT: Final = 10000
_HOST: Final = "controller"
_FIRST_PORT: Final = 20000


class World:
    """`directory` is an empty one that the caller removes; what is on the simulated disks is in it."""

    def __init__(self, kernel: Kernel, directory: Path) -> None:
        self.kernel, self.directory = kernel, directory
        self.network = Network(kernel)
        self.dice = kernel.random("world")
        self.token = Token("simulated")
        self.address = f"http://{_HOST}:{PORT}"
        self.host = self.network.host(_HOST)
        self.disk = Disk()
        self.checks = Checks(self)
        self.machines: dict[str, Machine] = {}
        self.controller: Controller | None = None
        self.process: Process | None = None
        self.ready_since: float | None = None
        self.platform: SimMachines | None = None
        self.rules = Rules(
            pools=(
                PoolSpec(name="fixed", max=8),
                PoolSpec(name="auto", resources=ResourceSpec(4, "8GB"), max=4),
            )
        )
        self.faults = Faults(self)
        self.users: list[User] = []
        self.boxes: dict[str, SimSandbox] = {}  # every sandbox that there ever was
        self.registered: dict[str, tuple[str, str, float]] = {}  # endpoint -> its name, attempt, and when
        self._starts: dict[str, int] = {}
        self._ports = iter(range(_FIRST_PORT, 1 << 16))

    @contextlib.contextmanager
    def open(self) -> Iterator[World]:
        """The time in which the process is the simulation's."""
        format_disk(self.directory / _HOST)
        with simulated(self.kernel, *self._patches()):
            yield self

    def _patches(self) -> Iterator[Patch]:
        from iris_api.rpc import client
        from iris_worker.ports import Ports

        yield client, "HttpPool", pool_on(self.network)
        yield controllers, "serve", serve_on(self.network)
        yield controllers, "_await_ready", lambda server, host: self._await_ready(server)
        yield controllers, "StateLock", lambda directory: SimLock(self.kernel, self.disk)
        yield Sqlite, "engine", quick_engine(Sqlite.engine)
        yield Ports, "_free", staticmethod(lambda taken: next(self._ports))

    def boot_controller(self) -> None:
        """Start the controller's process, as an init system does when it has died."""
        if self.process is not None and self.process.alive:
            return
        if self.host.suspended:
            self.host.when_resumed.append(self.boot_controller)
            return
        process = self.process = self.host.process("controller")
        process.on_death.append(self._controller_died)
        self.kernel.trace("boot", "controller")
        self.kernel.spawn(self._run_controller, "controller", process)

    def add_machine(self, name: str, cpu: float, pool: str = "fixed", slice_id: str = "") -> Machine:
        machine = self.machines[name] = Machine(self, name, cpu, pool, slice_id)
        return machine

    def started(self, sandbox: SimSandbox) -> None:
        if sandbox.uid in self.boxes:
            self.checks.fail("fenced", f"attempt {sandbox.uid} is started twice")
        self.boxes[sandbox.uid] = sandbox
        task = sandbox.launch.info.task_id
        self._starts[task] = self._starts.get(task, 0) + 1
        self.checks.sandbox_started(sandbox)

    def starts_of(self, task: str) -> int:
        """How many sandboxes a task has had."""
        return self._starts.get(task, 0)

    def running(self) -> Iterator[SimSandbox]:
        return (box for box in self.boxes.values() if box.end is None)

    @property
    def loop(self) -> ControlLoop | None:
        """Of the controller, while there is one that is ready."""
        return self.controller._loop if self.controller is not None else None

    def log_lines(self, task: TaskId, uid: str) -> list[str]:
        """What is stored of an attempt's output, a line each: time, source, text."""
        path = self.directory / _HOST / "logs" / task.job / f":{task.replica}" / f"{uid}.log"
        return path.read_text().splitlines() if path.exists() else []

    def _controller_died(self) -> None:
        self.controller, self.ready_since = None, None
        self.kernel.after(self.dice.uniform(0.2, 5.0), self.boot_controller)

    def _run_controller(self) -> None:
        process = self.process
        assert process is not None
        with thread_registry_scope("controller"):
            try:
                self._start_controller(process)
            except PlatformError as error:
                self.kernel.trace("no-start", "controller", type(error).__name__)
                process.kill()
                return
            self.kernel.park(Waiter(self.kernel))

    def _start_controller(self, process: Process) -> None:
        directory = self.directory / _HOST
        store = SimStore(self.kernel, self.disk, directory, self.checks.committed)
        process.kept.append(store)
        config = ControllerConfig(
            cluster="sim", host=_HOST, port=PORT, state=directory, token=self.token, rules=self.rules
        )
        controller = Controller(config, threads=ThreadContainer("controller"), store=store)
        controller.start()
        self.controller, self.ready_since = controller, self.kernel.now
        if self.platform is not None:
            self.platform.keep()
        self.kernel.trace("ready", "controller")

    def _await_ready(self, server: SimServer) -> None:
        """Ask for its health, as the real one does, until it is good."""
        for _ in range(100):
            asked = Event()
            status: list[int] = []
            server.loop.call_soon_threadsafe(server.ask_health, status, asked)
            asked.wait(15.0)
            if status == [200]:
                return
            self.kernel.sleep(0.1)
        raise PlatformError("the controller did not get ready")
