"""A platform of simulated machines, for the real PoolKeeper: slices that take their time, fail, and go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from attrs import evolve

from iris_api.errors import NoCapacity, PlatformError
from iris_api.platform import Machines, Slice, SliceRequest, SliceState
from iris_api.threads import ThreadContainer
from iris_controller.pools import Pool, PoolKeeper

if TYPE_CHECKING:
    from iris.sim.world import World

__all__ = ["SimMachines"]

POOL: Final = "auto"
_BOOT: Final = 12.0  # seconds at most from a slice's creation to its workers
_CPU: Final = 4.0  # cores of each machine


class SimMachines(Machines):
    """`trouble` is the share of calls that fail, and of slices. What it has outlives every controller."""

    def __init__(self, world: World, *, least: int, size: int, trouble: float) -> None:
        self._world, self._trouble = world, trouble
        self._dice = world.kernel.random("platform")
        self._slices: dict[str, Slice] = {}
        self.pool = Pool(name=POOL, machines=self, min=least, max=least + 2, size=size)

    def keep(self) -> None:
        """Start the keeper of a controller that has just started, in its process."""
        PoolKeeper([self.pool], ThreadContainer("pools"), clock=self._world.host.mono).start()

    def calm(self) -> None:
        self._trouble = 0.0

    def ready(self) -> int:
        return sum(one.state is SliceState.READY for one in self._slices.values())

    def reclaim(self) -> None:
        """As with spot machines: one of those that are ready is taken away."""
        ready = [one for one in self._slices.values() if one.state is SliceState.READY]
        if ready:
            lost = self._dice.choice(ready)
            self._slices[lost.slice_id] = evolve(lost, state=SliceState.FAILED, message="reclaimed")
            self._power_off(lost)

    def create(self, request: SliceRequest) -> Slice:
        self._call()
        if self._dice.random() < self._trouble:
            raise NoCapacity("there is no room now")
        made = Slice(slice_id=request.slice_id, pool=request.pool, state=SliceState.CREATING)
        self._slices.setdefault(request.slice_id, made)
        self._world.kernel.trace("slice", request.slice_id)
        self._world.kernel.after(self._dice.uniform(0.5, _BOOT), lambda: self._boot(request))
        if self._dice.random() < self._trouble:
            raise PlatformError("the reply was lost")
        return made

    def list(self) -> Sequence[Slice]:
        self._call()
        if self._dice.random() < self._trouble:
            raise PlatformError("internal error of the platform")
        return list(self._slices.values())

    def delete(self, slice_id: str) -> None:
        self._call()
        gone = self._slices.pop(slice_id, None)
        if gone is not None:
            self._power_off(gone)

    def _call(self) -> None:
        self._world.kernel.sleep(self._dice.uniform(0.01, 0.5))

    def _boot(self, request: SliceRequest) -> None:
        made = self._slices.get(request.slice_id)
        if made is None:
            return
        fails = self._dice.random() < self._trouble
        state = SliceState.FAILED if fails else SliceState.READY
        self._slices[request.slice_id] = evolve(made, state=state)
        for index in range(0 if fails else request.size):
            name = f"{request.slice_id}-{index}"
            self._world.add_machine(name, _CPU, POOL, request.slice_id).boot()

    def _power_off(self, gone: Slice) -> None:
        for machine in self._world.machines.values():
            if machine.slice_id == gone.slice_id:
                machine.gone = True
                machine.power_off()
