"""Faults: what is done to a world at a time, and undone after a while."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from attrs import define

from iris_api.platform import Exit, ExitKind
from iris_api.testing.sim import Process
from iris_controller.rows import Attempt

if TYPE_CHECKING:
    from iris.sim.sandboxes import SimSandbox
    from iris.sim.world import World

__all__ = ["Faults", "Trouble"]

Undo = Callable[[], object]
_HARMLESS = ("clock", "kill_sandbox", "client_crash", "broken", "reclaim")
_CRASHES = ("controller_crash", "controller_stop", "client_crash", "clock")
_SILENCE: Final = 8.0  # seconds of silence, in all, that may cost a worker its grace: calls hang beyond them
_MEMORY: Final = 70.0  # seconds for which it counts


@define
class Trouble:
    """That something was wrong with `target` (a host, or "" for all) from `begin` to `end`, virtual
    seconds; `end` is None as long as it lasts."""

    kind: str
    target: str
    begin: float
    end: float | None = None
    peer: str = ""
    hangs: bool = False

    def concerns(self, machine: str) -> bool:
        return self.kind not in _HARMLESS and (
            self.target in ("", "controller", machine) or self.peer == machine
        )

    def silences(self, machine: str) -> bool:
        """Whether the machine's worker could not be heard."""
        if self.kind in ("suspend", "pause", "worker_down"):
            return self.target == machine
        if self.kind == "partition":
            return machine in (self.target, self.peer)
        return self.hangs


class Faults:
    """Carries out a schedule. `heal` ends what still lasts; nothing happens after it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.troubles: list[Trouble] = []
        self._open: dict[int, tuple[Trouble, Undo]] = {}
        self._over = False
        self._dice = world.kernel.random("faults")

    def schedule(self, faults: list[dict[str, Any]]) -> None:
        for fault in faults:
            self._world.kernel.at(fault["at"], lambda fault=fault: self._begin(fault))  # type: ignore[misc]

    def calm_since(self, machine: str) -> float | None:
        """Since when nothing has kept this machine's worker from doing what its controller wants; None: not
        now."""
        world = self._world
        ready, process = world.ready_since, world.machines[machine].process
        if ready is None or process is None or not process.alive:
            return None
        ends = [ready, world.machines[machine].born]
        for trouble in self.troubles:
            if trouble.concerns(machine):
                if trouble.end is None:
                    return None
                ends.append(trouble.end)
        return max(ends)

    def troubled(self, target: str) -> bool:
        """Whether something is wrong with it now, or with everything."""
        return any(one.end is None and one.target in ("", target) for one in self.troubles)

    def only_crashes_since(self, when: float) -> bool:
        """Whether nothing has gone wrong since then but that the controller was killed or ended."""
        return all(one.kind in _CRASHES or (one.end is not None and one.end < when) for one in self.troubles)

    def calm_controller_since(self) -> float:
        ends = (one.end for one in self.troubles if one.end is not None and one.target in ("", "controller"))
        return max(ends, default=0.0)

    def no_excuse(self, attempt: Attempt, box: SimSandbox | None) -> str:
        """Why an attempt should not have been given up as lost; empty where that was right."""
        now, machine = self._world.kernel.now, self._world.machines[attempt.worker]
        silent = 0.0
        for trouble in self.troubles:
            end = now if trouble.end is None else trouble.end
            if trouble.target == attempt.worker and trouble.kind in ("power", "worker_stop"):
                return ""
            if trouble.silences(attempt.worker) and now - end < _MEMORY:
                silent += end - trouble.begin
        if silent > _SILENCE or machine.gone:
            return ""
        if box is None and machine.incarnation != attempt.incarnation:
            return ""  # the worker process that it was for died before it had started it
        return f"its machine was silent for {silent:.1f} s, its sandbox is {box and (box.end or 'running')}"

    def heal(self) -> None:
        self._over = True
        if self._world.platform is not None:
            self._world.platform.calm()
        for host in self._world.network.hosts.values():
            for process in host.processes:
                process.dies_at = None
        for number in list(self._open):
            self._end(number)

    def _begin(self, fault: dict[str, Any]) -> None:
        if self._over:
            return
        self._world.kernel.trace("fault", fault)
        undo = getattr(self, f"_{fault['kind']}")(fault)
        trouble = Trouble(
            fault["kind"],
            fault.get("target", ""),
            self._world.kernel.now,
            peer=fault.get("peer", ""),
            hangs=fault.get("hang", 0.0) > 0,
        )
        self.troubles.append(trouble)
        if undo is None:
            trouble.end = trouble.begin
            return
        number = len(self.troubles)
        self._open[number] = (trouble, undo)
        self._world.kernel.after(fault["for"], lambda: self._end(number))

    def _end(self, number: int) -> None:
        trouble, undo = self._open.pop(number, (None, None))
        if trouble is not None and undo is not None:
            self._world.kernel.trace("healed", trouble.kind, trouble.target)
            undo()
            trouble.end = self._world.kernel.now

    def _process(self, target: str) -> Process | None:
        world = self._world
        return world.process if target == "controller" else world.machines[target].process

    def _controller_crash(self, fault: dict[str, Any]) -> None:
        self._doom(self._world.process, fault["steps"])

    def _worker_crash(self, fault: dict[str, Any]) -> None:
        self._doom(self._process(fault["target"]), fault["steps"])

    def _controller_stop(self, fault: dict[str, Any]) -> None:
        """It is asked to end, as by SIGTERM, and ends in order."""
        world, process = self._world, self._world.process
        controller = world.controller
        if process is None or controller is None:
            return

        def end() -> None:
            controller.stop()
            process.kill()

        world.kernel.spawn(end, "stop", process)

    def _worker_stop(self, fault: dict[str, Any]) -> None:
        machine = self._world.machines[fault["target"]]
        if machine.process is not None and machine.process.alive:
            self._world.kernel.spawn(machine.stop_worker, "stop", machine.process)

    def _doom(self, process: Process | None, steps: int) -> None:
        """Kill it before the step of that number from now."""
        if process is None or not process.alive:
            return
        if steps:
            process.dies_at = process.steps + steps
        else:
            process.kill()

    def _client_crash(self, fault: dict[str, Any]) -> None:
        for process in list(self._world.network.host(fault["target"]).processes):
            process.kill()

    def _power(self, fault: dict[str, Any]) -> Undo:
        machine = self._world.machines[fault["target"]]
        machine.power_off()
        return machine.power_on

    def _stale(self, fault: dict[str, Any]) -> Undo | None:
        """What the worker's process sends is long on its way, and some of it arrives after it has died."""
        process = self._world.machines[fault["target"]].process
        if process is None:
            return None
        self._world.network.lagging[process] = None
        return process.kill

    def _reclaim(self, fault: dict[str, Any]) -> None:
        if self._world.platform is not None:
            self._world.platform.reclaim()

    def _gone(self, fault: dict[str, Any]) -> None:
        """Nobody will ever see it again."""
        machine = self._world.machines[fault["target"]]
        machine.gone = True
        machine.power_off()

    def _worker_down(self, fault: dict[str, Any]) -> Undo:
        """The worker's process dies, and nobody starts it for a while."""
        machine = self._world.machines[fault["target"]]
        machine.held_down = True
        self._doom(machine.process, 0)

        def let_up() -> None:
            machine.held_down = False
            machine.boot()

        return let_up

    def _suspend(self, fault: dict[str, Any]) -> Undo:
        host = self._world.network.host(fault["target"])
        host.suspend()
        return host.resume

    def _pause(self, fault: dict[str, Any]) -> Undo:
        process = self._process(fault["target"])
        if process is not None:
            process.pause()
        return lambda: process.unpause() if process is not None else None

    def _partition(self, fault: dict[str, Any]) -> Undo:
        network = self._world.network
        here, there = fault["target"], fault["peer"]
        links = {"both": [(here, there), (there, here)], "to": [(here, there)], "from": [(there, here)]}
        cut = links[fault["way"]]
        for link in cut:
            network.cut(*link)

        def heal() -> None:
            for link in cut:
                network.heal(*link)

        return heal

    def _weather(self, fault: dict[str, Any]) -> Undo:
        weather = self._world.network.weather
        weather.reset, weather.hang, weather.slow = fault["reset"], fault["hang"], fault["slow"]
        return self._clear_sky

    def _clear_sky(self) -> None:
        weather = self._world.network.weather
        weather.reset = weather.hang = weather.slow = 0.0

    def _disk_full(self, fault: dict[str, Any]) -> Undo:
        disk = self._world.disk
        disk.full = True
        return lambda: setattr(disk, "full", False)

    def _disk_lost(self, fault: dict[str, Any]) -> Undo:
        disk = self._world.disk
        disk.lost = 0.4
        return lambda: setattr(disk, "lost", 0.0)

    def _disk_slow(self, fault: dict[str, Any]) -> Undo:
        disk = self._world.disk
        before, disk.slow = disk.slow, 1.5
        return lambda: setattr(disk, "slow", before if before < 1 else 0.004)

    def _clock(self, fault: dict[str, Any]) -> None:
        self._world.network.host(fault["target"]).wall_offset += fault["by"]

    def _kill_sandbox(self, fault: dict[str, Any]) -> None:
        running = list(self._world.running())
        if running:
            self._dice.choice(running).finish(Exit(kind=ExitKind.SIGNALED, signal=9))

    def _broken(self, fault: dict[str, Any]) -> Undo:
        machine = self._world.machines[fault["target"]]
        machine.broken = 0.7
        return lambda: setattr(machine, "broken", 0.0)
