"""The network between simulated hosts: delays, cuts, and what becomes of a message meanwhile."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from attrs import define

from iris_api.testing.sim import Host, Kernel, Process

if TYPE_CHECKING:
    from iris.sim.calls import Call
    from iris.sim.server import SimServer

__all__ = ["Network", "Weather"]

_BASE: Final = 0.0005  # seconds one way
_LAG: Final = 6.0  # seconds at most on top, for a process that lags
_MEAN: Final = 0.002  # seconds of delay on top, on average


@define
class Weather:
    """How bad the network is now: the shares of calls that meet each fate."""

    reset: float = 0.0  # the connection is reset, before the request arrives or after it was carried out
    hang: float = 0.0  # the connection goes dead: request or reply never arrives
    slow: float = 0.0  # a message takes up to `slow_seconds`
    slow_seconds: float = 4.0


class Network:
    """`listeners` by host name and port. A cut goes one way: what is sent there is held up, and arrives when
    the cut is healed if the connection is still there, or never."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.weather = Weather()
        self.listeners: dict[tuple[str, int], SimServer] = {}
        self.hosts: dict[str, Host] = {}
        self.random: random.Random = kernel.random("network")
        self.calls: dict[Process, dict[Call, None]] = {}
        self.lagging: dict[Process, None] = {}  # whose requests are long on their way
        self._cuts: dict[tuple[str, str], int] = {}
        self._held: dict[tuple[str, str], list[tuple[Callable[[], object], Process]]] = {}

    def host(self, name: str) -> Host:
        """The host of that name, made at first need."""
        if name not in self.hosts:
            self.hosts[name] = self.kernel.host(name)
        return self.hosts[name]

    def cut(self, source: str, target: str) -> None:
        self._cuts[source, target] = self._cuts.get((source, target), 0) + 1

    def heal(self, source: str, target: str) -> None:
        """Undo one `cut`; what was held up arrives."""
        link = (source, target)
        self._cuts[link] -= 1
        if self._cuts[link] > 0:
            return
        del self._cuts[link]
        for action, process in self._held.pop(link, ()):
            self.kernel.after(self.delay(), action, process, outside=True)

    def is_cut(self, source: Host, target: Host) -> bool:
        return (source.name, target.name) in self._cuts

    def reaches(self, source: Host, target: Host) -> bool:
        """Whether a packet and its answer would make it now."""
        return (
            target.up
            and not target.suspended
            and not self.is_cut(source, target)
            and not self.is_cut(target, source)
        )

    def delay(self) -> float:
        seconds = _BASE + self.random.expovariate(1 / _MEAN)
        if self.weather.slow and self.random.random() < self.weather.slow:
            seconds += self.random.uniform(0, self.weather.slow_seconds)
        return seconds

    def transmit(self, source: Host, target: Process, action: Callable[[], object]) -> None:
        """Have `action` happen at `target` when the message arrives there."""
        if not target.host.up:
            return
        if self.is_cut(source, target.host):
            if self.random.random() < 0.5:
                self._held.setdefault((source.name, target.host.name), []).append((action, target))
            return
        lag = self.random.uniform(0.0, _LAG) if self.kernel.current in self.lagging else 0.0
        self.kernel.after(self.delay() + lag, action, target, outside=True)

    def calls_of(self, process: Process) -> dict[Call, None]:
        """The calls that a process waits for; when it dies their servers see that."""
        found = self.calls.get(process)
        if found is None:
            found = self.calls[process] = {}
            process.on_death.append(lambda: self._hang_up(process))
        return found

    def _hang_up(self, process: Process) -> None:
        if process.host.up:
            for call in self.calls.pop(process, {}):
                call.hang_up()
