"""Machines: a host, its disk, its sandboxes, and the worker process that comes back when it dies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from iris.sim.programs import run_program
from iris.sim.sandboxes import SimRuntime, SimSandbox
from iris_api.resources import ResourceSpec
from iris_api.testing.sim import Process, Waiter
from iris_api.threads import thread_registry_scope
from iris_worker.config import WorkerConfig
from iris_worker.worker import Worker

if TYPE_CHECKING:
    from iris.sim.world import World

__all__ = ["Machine"]


class Machine:
    """`boot` once; after that it is kept up: a worker process that died is started again. `gone`: it was
    deleted for good. `broken`: the share of attempts that cannot be started there."""

    def __init__(self, world: World, name: str, cpu: float, pool: str = "fixed", slice_id: str = "") -> None:
        self.world, self.cpu, self.pool, self.slice_id = world, cpu, pool, slice_id or name
        self.host = world.network.host(name)
        self.directory: Path = world.directory / name
        self.sandboxes: dict[str, SimSandbox] = {}
        self.broken = 0.0
        self.gone = False
        self.held_down = False
        self._stopping = False
        self.worker: Worker | None = None
        self.process: Process | None = None
        self.born = 0.0
        self.lost_power = 0.0  # when it last did

    @property
    def incarnation(self) -> str:
        """Of the worker's process that runs, or ran last."""
        return self.worker._contact.incarnation if self.worker is not None else ""

    def boot(self) -> None:
        """Start the worker process, as an init system does."""
        if (
            self.gone
            or self.held_down
            or not self.host.up
            or (self.process is not None and self.process.alive)
        ):
            return
        if self.host.suspended:
            self.host.when_resumed.append(self.boot)
            return
        kernel = self.world.kernel
        process = self.process = self.host.process(f"worker-{self.host.name}")
        process.on_death.append(self._died)
        self.born = kernel.now
        kernel.trace("boot", process.name)
        kernel.spawn(self._main, process.name, process)

    def stop_worker(self) -> None:
        """In the worker's process: end in order, as by SIGTERM."""
        process = self.process
        if self.worker is not None and process is not None:
            self._stopping = True
            self.worker.stop()
            process.kill()

    def power_off(self) -> None:
        """Everything on it ends; its disk stays."""
        self.host.up = False
        self.lost_power = self.world.kernel.now
        self.host.resume()
        self.world.kernel.trace("power-off", self.host.name)
        for process in list(self.host.processes):
            process.kill()

    def power_on(self) -> None:
        if not self.gone and not self.host.up:
            self.host.up = True
            self.boot()

    def _died(self) -> None:
        self._stopping = False
        for box in self.sandboxes.values():
            box.orphaned()
        if self.host.up and not self.gone:
            self.world.kernel.after(self.world.dice.uniform(0.2, 4.0), self.boot)

    def _main(self) -> None:
        world = self.world
        config = WorkerConfig(
            worker_id=self.host.name,
            pool=self.pool,
            slice_id=self.slice_id,
            controller_address=world.address,
            token=world.token,
            directory=self.directory,
            resources=ResourceSpec(self.cpu, "8GB"),
            attributes={"pool": self.pool, "slice": self.slice_id},
            advertise_host=self.host.name,
        )
        with thread_registry_scope("worker"):
            worker = self.worker = Worker(config, SimRuntime(self, lambda box: run_program(world, box)))
            worker.start()
            while worker.is_alive() or self._stopping:
                world.kernel.park(Waiter(world.kernel), 5.0)
        assert self.process is not None
        self.process.kill()
