"""Site: one directory and one address on which a cluster of real processes lives, dies and lives again."""

from __future__ import annotations

import os
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from iris.client import IrisClient
from iris_api.testing import wait_for_condition
from tests.rigs.program import Program, iris
from tests.rigs.remains import processes_of

__all__ = ["Site", "free_port"]

_ROOT = Path(__file__).parents[2]
_LIMIT = 30.0
_NO_ATTEMPTS = ("attempts", "keeper")  # what a runtime of containers has beside them


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


class Site:
    """A configuration, and the programs that run on it. `settings` are lines of its table [controller],
    `tables` are further ones."""

    def __init__(
        self,
        directory: Path,
        *,
        own_workers: int = 1,
        host: str = "127.0.0.1",
        port: int = 0,
        settings: str = "",
        runtime: str = "process",
        tables: str = "",
    ) -> None:
        """`own_workers`: workers in the process of the controller itself."""
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.state = directory / "state"
        self.temporary = directory / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self.port = port or free_port()
        self.address = f"http://{host}:{self.port}"
        self.config = directory / "iris.toml"
        self.config.write_text(
            f'[controller]\nlisten = "{host}:{self.port}"\nstate = "{self.state}"\n{settings}\n'
            f'[pools.default]\nplatform = "local"\nruntime = "{runtime}"\nmin = {own_workers}\nmax = 4\n'
            f"{tables}"
        )
        self._programs: list[Program] = []

    @property
    def env(self) -> dict[str, str]:
        """Of every program here: what they leave in a temporary directory is found."""
        return {"PYTHONPATH": str(_ROOT), "TMPDIR": str(self.temporary)}

    def up_argv(self) -> list[str]:
        return iris("up", "--config", str(self.config))

    def worker_argv(self, worker_id: str, address: str = "", options: Sequence[str] = ()) -> list[str]:
        where = ("--controller", address or self.address, "--directory", str(self.workers))
        return iris("worker", "--config", str(self.config), "--id", worker_id, *where, *options)

    @property
    def workers(self) -> Path:
        """What workers keep, each below its id."""
        return self.directory / "workers"

    def program(self, name: str, within: Sequence[str] = (), env: Mapping[str, str] | None = None) -> Program:
        """One that `running` ends."""
        made = Program(self.directory / f"{name}.log", env={**self.env, **(env or {})}, within=within)
        self._programs.append(made)
        return made

    @contextmanager
    def running(self) -> Iterator[Site]:
        """Whatever happens, none of its programs outlives this, and nothing that they have started."""
        try:
            yield self
        finally:
            for program in reversed(self._programs):
                program.kill()
            for seen in processes_of(self.directory, self.address):
                with suppress(ProcessLookupError):  # it has died with another one
                    os.kill(seen.pid, signal.SIGKILL)

    def start_up(self, program: Program) -> None:
        """Start the controller; returns when it serves."""
        program.launch(self.up_argv())
        assert program.wait_to_say(r"http://[\d.:]+"), f"iris up said: {program.said()[-2000:]}"

    def start_worker(self, program: Program, worker_id: str, address: str = "") -> None:
        """Start a worker; returns when it serves, which is before the controller knows it."""
        program.launch(self.worker_argv(worker_id, address))
        assert program.wait_to_say(r"serves http"), f"iris worker said: {program.said()[-2000:]}"

    def client(self, workspace: Path | None = None) -> IrisClient:
        return IrisClient.remote(self.address, workspace)

    def health(self, timeout: float = 5.0) -> tuple[int, str]:
        """Status and text of /health; (0, why) where there is no answer."""
        try:
            with urllib.request.urlopen(f"{self.address}/health", timeout=timeout) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def wait_for_workers(self, *worker_ids: str, timeout: float = _LIMIT) -> None:
        """Until the controller takes each of these for healthy."""
        client = self.client()

        def missing() -> list[str]:
            known = {worker.worker_id for worker in client.list_workers() if worker.state != "LOST"}
            return [one for one in worker_ids if one not in known]

        wait_for_condition(lambda: not missing(), timeout, message=f"workers {worker_ids}")

    def attempt_folders(self) -> dict[str, list[Path]]:
        """What is on the disk of attempts, by their uid."""
        found: dict[str, list[Path]] = {}
        for top in (self.workers, self.state / "workers"):
            for what in ("attempts", "sandboxes", "sandboxes/attempts"):
                for path in top.glob(f"*/{what}/*"):
                    if path.name not in _NO_ATTEMPTS:
                        found.setdefault(path.name.lstrip("."), []).append(path)
        return found

    def left(self) -> list[str]:
        """Processes, directories of attempts and temporary files that are there."""
        processes = [str(seen) for seen in processes_of(self.directory, self.address)]
        folders = [str(path) for paths in self.attempt_folders().values() for path in paths]
        return [*processes, *folders, *map(str, self.temporary.iterdir())]
