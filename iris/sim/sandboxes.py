"""Sandboxes that live on simulated machines, and the Runtime through which a worker has them."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from iris_api.errors import PlatformError
from iris_api.jobs import Entry
from iris_api.platform import Exit, ExitKind, Launch, LogSink, Runtime, Sandbox
from iris_api.supervised._lease import Watch
from iris_api.supervised._supervisor import _LEASE_GRACE
from iris_api.testing.sim import Process
from iris_api.testing.sim.sync import Event

if TYPE_CHECKING:
    from iris.sim.machines import Machine

__all__ = ["SimRuntime", "SimSandbox"]

_KILLED: Final = Exit(kind=ExitKind.SIGNALED, signal=signal.SIGKILL)
_POWER: Final = Exit(kind=ExitKind.UNKNOWN, message="its supervisor was killed")


class SimSandbox:
    """An attempt's processes on a machine, with a supervisor that outlives the worker and keeps output and
    exit. They die with the machine."""

    def __init__(self, machine: Machine, launch: Launch) -> None:
        self.machine, self.launch, self.uid = machine, launch, launch.uid
        self.program: dict[str, Any] = json.loads(launch.entry.argv[1])
        self.process: Process = machine.host.process(f"sandbox-{launch.uid}")
        self.lines: list[tuple[str, str, int]] = []
        self.end: Exit | None = None
        self.ended_at: float | None = None
        self.began_at = machine.world.kernel.now
        self.stop_ordered = False
        self.handle: Handle | None = None
        self.process.on_death.append(self._died)
        self._watch = SimWatch(self)

    @property
    def running(self) -> bool:
        return self.end is None

    def write(self, source: str, text: str) -> None:
        if self.running:
            self.lines.append((source, text, int(self.machine.host.wall() * 1e6)))
            self.tell()

    def tell(self) -> None:
        if self.handle is not None:
            self.handle.news.set()

    def finish(self, end: Exit) -> None:
        """All of it is gone. The first end counts."""
        if self.end is not None:
            return
        kernel = self.machine.world.kernel
        stopped = end.stopped or self.stop_ordered
        self.end = Exit(kind=end.kind, code=end.code, signal=end.signal, message=end.message, stopped=stopped)
        self.ended_at = kernel.now
        kernel.trace("sandbox-end", self.uid, self.end.kind, self.end.code, self.end.signal, stopped)
        self.process.kill()
        self.tell()

    def stop(self, grace: float) -> None:
        if not self.running:
            return
        kernel, dice = self.machine.world.kernel, self.machine.world.dice
        first, self.stop_ordered = not self.stop_ordered, True
        kernel.after(grace, lambda: self.finish(_KILLED), self.process)
        manner = self.program.get("term", "die")
        if first and manner != "ignore":
            pause = dice.uniform(0.0, 0.05 if manner == "die" else 3.0)
            end = (
                Exit(kind=ExitKind.SIGNALED, signal=signal.SIGTERM)
                if manner == "die"
                else Exit(kind=ExitKind.EXITED, code=0 if dice.random() < 0.5 else 143)
            )
            kernel.after(pause, lambda: self.finish(end), self.process)

    def orphaned(self) -> None:
        """Its worker has died: the supervisor gives the attempt what its lease says."""
        if self.running and self.machine.host.up:
            self.machine.world.kernel.spawn(self._outlive, f"supervisor-{self.uid}", self.process)

    def _outlive(self) -> None:
        """As the supervisor does, with its own rule for how long."""
        kernel, watch = self.machine.world.kernel, self._watch
        watch.release()
        while self.running and (left := watch.left()) is not None:
            kernel.sleep(left)
            if watch.look():
                self.stop(_LEASE_GRACE)
                return

    def _died(self) -> None:
        """The machine has lost power: what it wrote stays, how it ended nobody saw."""
        if self.end is None:
            self.end, self.ended_at = _POWER, self.machine.world.kernel.now


class SimWatch(Watch):
    """The supervisor's own watch of its worker, which it sees by other means."""

    def __init__(self, box: SimSandbox) -> None:
        lease = box.launch.lease
        assert lease is not None
        super().__init__(lease.grace, lease.absence, ("controller", 0))
        self._box = box

    def left(self) -> float | None:
        process = self._box.machine.process
        return None if process is not None and process.alive else super().left()

    def _answers(self) -> bool:
        world = self._box.machine.world
        return world.ready_since is not None and world.network.reaches(self._box.machine.host, world.host)


class Handle(Sandbox):
    """The worker's end of a sandbox."""

    def __init__(self, sandbox: SimSandbox, sink: LogSink) -> None:
        self.uid, self._sandbox, self._sink = sandbox.uid, sandbox, sink
        self.news, self._done = Event(), Event()
        self._read = 0
        sandbox.handle = self
        self.news.set()
        sandbox.machine.world.kernel.spawn(self._follow, f"follow-{self.uid}")

    def wait(self, timeout: float | None = None) -> Exit | None:
        return self._sandbox.end if self._done.wait(timeout) else None

    def stop(self, grace: float) -> None:
        if not self._done.is_set():
            self._sandbox.stop(grace)

    def _follow(self) -> None:
        while True:
            self.news.wait()
            self.news.clear()
            over = not self._sandbox.running
            for source, text, when in self._sandbox.lines[self._read :]:
                self._read += 1
                self._sink.write(source, text, when)
            if over:
                self._done.set()
                return


class SimRuntime(Runtime):
    """Of one worker process; the sandboxes are the machine's."""

    def __init__(self, machine: Machine, run: Callable[[SimSandbox], None]) -> None:
        self._machine, self._run = machine, run

    def wants_workdir(self, entry: Entry) -> bool:
        return True

    def start(self, launch: Launch) -> Sandbox:
        machine = self._machine
        kernel, dice = machine.world.kernel, machine.world.dice
        kernel.sleep(dice.uniform(0.01, 0.2))
        if dice.random() < machine.broken:
            raise PlatformError("no process could be made")
        if launch.uid in machine.sandboxes:
            raise PlatformError(f"attempt {launch.uid} has been started before")
        sandbox = machine.sandboxes[launch.uid] = SimSandbox(machine, launch)
        kernel.trace("sandbox", launch.uid, launch.info.task_id, machine.host.name)
        machine.world.started(sandbox)
        kernel.spawn(lambda: self._run(sandbox), f"program-{launch.uid}", sandbox.process)
        kernel.sleep(dice.uniform(0.0, 0.02))
        return Handle(sandbox, launch.output)

    def adopt(self, sink_for: Callable[[str], LogSink]) -> Sequence[Sandbox]:
        return [Handle(sandbox, sink_for(uid)) for uid, sandbox in self._machine.sandboxes.items()]

    def forget(self, uid: str) -> None:
        sandbox = self._machine.sandboxes.get(uid)
        if sandbox is not None and not sandbox.running:
            del self._machine.sandboxes[uid]
