"""One seed: a plan carried out, healed, settled and checked."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from iris.sim import audit
from iris.sim.plan import Plan, make_plan
from iris.sim.slices import SimMachines
from iris.sim.users import User
from iris.sim.world import World
from iris_api.testing.sim import Kernel, Trace

__all__ = ["Result", "simulate"]

_SETTLE: Final = 400.0  # virtual seconds for everything to come to its end once the faults are healed
_REST: Final = 12.0  # and then for what must follow
_ROOM: Final = Path("/dev/shm")  # noqa: S108 - memory, so that a disk that is slow today changes nothing


@frozen(kw_only=True)
class Result:
    """`broken`: the promise that was not kept, or empty. `lines`: the end of the trace, or all of it."""

    seed: int
    broken: str
    digest: str
    steps: int
    virtual: float
    cpu: float
    lines: tuple[str, ...]


def simulate(plan: Plan | int, *, keep_trace: bool = False) -> Result:
    """Run a seed, or a plan that was kept. The process is the simulation's meanwhile."""
    if isinstance(plan, int):
        plan = make_plan(plan)
    began = time.process_time()
    logging.disable(logging.CRITICAL)
    directory = Path(tempfile.mkdtemp(prefix="iris-sim-", dir=_ROOM if _ROOM.is_dir() else None))
    kernel = Kernel(f"{plan['seed']}", Trace(keep_trace))
    world = World(kernel, directory)
    try:
        with world.open():
            _run(world, plan)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        logging.disable(logging.NOTSET)
    return Result(
        seed=plan["seed"],
        broken=str(world.checks.broken or ""),
        digest=kernel.trace.digest(),
        steps=kernel.steps,
        virtual=kernel.now,
        cpu=time.process_time() - began,
        lines=tuple(kernel.trace.lines),
    )


def _run(world: World, plan: dict[str, Any]) -> None:
    kernel, faults = world.kernel, world.faults
    if "pool" in plan:
        world.platform = SimMachines(world, **plan["pool"])
    world.boot_controller()
    for machine in plan["machines"]:
        world.add_machine(machine["name"], machine["cpu"]).boot()
    world.users = [User(world, f"client{n}", script) for n, script in enumerate(plan["clients"])]
    for user in world.users:
        user.start()
    faults.schedule(plan["faults"])
    _every_second(world)
    kernel.run(plan["chaos"])
    faults.heal()
    kernel.trace("calm")
    _until_settled(world, kernel.now + _SETTLE)
    if world.checks.broken is None:
        audit.finish(world)


def _every_second(world: World) -> None:
    audit.every_second(world)
    world.kernel.after(1.0, lambda: _every_second(world))


def _until_settled(world: World, limit: float) -> None:
    """Until nothing has been left to do for some seconds: a request may come late."""
    kernel = world.kernel
    rested = 0.0
    while not kernel.stopped and kernel.now < limit and rested < _REST:
        kernel.run(kernel.now + 2.0)
        rested = rested + 2.0 if audit.settled(world) else 0.0
