"""The controller under load: ``iris up`` with its state on disk and its token on, on a core of its own; the
fleet of simulated workers on another one."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
from pathlib import Path
from typing import Any, Final

from attrs import define, frozen

from benchmarks.cluster import IRIS
from benchmarks.processes import BenchmarkError, Program, Session

__all__ = ["Cost", "Pinned", "Rig", "quiet"]

_TICK: Final = os.sysconf("SC_CLK_TCK")
_QUIET: Final = 0.5  # runnable processes beside ours that count as none
_PATIENCE: Final = 60.0  # seconds to wait for a quiet moment


@frozen
class Cost:
    """What a stretch of time took of the controller: wall and CPU seconds."""

    wall: float
    cpu: float

    @property
    def cores(self) -> float:
        return self.cpu / self.wall


@define
class Pinned:
    """A process and its core."""

    program: Program

    def cpu(self) -> float:
        """Seconds so far, user and system, of all threads."""
        fields = Path(f"/proc/{self.program.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    def rss(self) -> float:
        """Megabytes, of the process alone."""
        for line in Path(f"/proc/{self.program.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024 / 1e6
        raise BenchmarkError("the controller has ended")


class Rig:
    """A controller and a fleet, both up; use as a context."""

    def __init__(self) -> None:
        self._session = Session()
        self._port = _free_port()
        self.directory = self._session.directory
        try:
            self.controller = self.start()
            self._fleet = self.driver("fleet")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Rig:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        if left := self._session.close():
            raise BenchmarkError(f"had to kill what was left behind: {'; '.join(left)}")

    def start(self) -> Pinned:
        """Start the controller on the state that is there; returns when its health is good."""
        config = self.directory / "iris.toml"
        config.write_text(
            f'[controller]\nlisten = "127.0.0.1:{self._port}"\nstate = "{self.directory}/state"\n'
            '[pools.default]\nplatform = "local"\nruntime = "process"\nmin = 0\nmax = 20000\n'
        )
        program = self._session.start([*_on_core(0), IRIS, "up", "--config", config])
        self.controller = Pinned(program)
        deadline = time.monotonic() + 60
        while not (self.healthy() and self._token_file().exists()):
            if not program.alive() or time.monotonic() > deadline:
                raise program.failed("did not answer its health")
            time.sleep(0.005)
        return self.controller

    def _token_file(self) -> Path:
        """Where ``iris up`` notes it for this user's clients."""
        return self.directory / "iris" / "tokens" / f"127.0.0.1_{self._port}"

    def healthy(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=5.0) as connection:
                connection.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
                return b" 200 " in connection.recv(4096)[:20]
        except OSError:
            return False

    def driver(self, module: str) -> Program:
        """Start a driver that is told where the controller is, on the other core."""
        place = ("127.0.0.1", str(self._port), self._token_file().read_text())
        argv = [sys.executable, "-m", f"benchmarks.drivers.{module}", *place]
        return self._session.start([*_on_core(-1), *argv])

    def ask(self, command: str, timeout: float = 300.0, **args: Any) -> Any:
        """Have the fleet do something."""
        return self._fleet.ask(command, timeout, **args)

    def watch(self) -> _Watch:
        return _Watch(self.controller)


class _Watch:
    """Measures a stretch: ``with rig.watch() as watch: ...`` and then ``watch.cost``."""

    def __init__(self, pinned: Pinned) -> None:
        self._pinned = pinned
        self.cost = Cost(0.0, 0.0)

    def __enter__(self) -> _Watch:
        self._wall, self._cpu = time.perf_counter(), self._pinned.cpu()
        return self

    def __exit__(self, *error: object) -> None:
        self.cost = Cost(time.perf_counter() - self._wall, self._pinned.cpu() - self._cpu)


def quiet() -> float:
    """Wait a while for a moment in which nothing else runs; returns how many processes do, now."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        looks = []
        for _ in range(10):
            looks.append(int(Path("/proc/loadavg").read_text().split()[3].partition("/")[0]) - 1)
            time.sleep(0.1)
        busy = sum(looks) / len(looks)
        if busy <= _QUIET or time.monotonic() > deadline:
            return busy


def _on_core(index: int) -> list[str]:
    """What pins a program to the first (0) or last (-1) core that this process may use."""
    tool = shutil.which("taskset")
    if tool is None:
        raise BenchmarkError("taskset (of util-linux) is not here: it pins the controller to one core")
    return [tool, "-c", str(sorted(os.sched_getaffinity(0))[index])]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
