"""Stand-ins for workers that have a keeper, and what is left of one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import docker

from iris_api.ids import new_uid
from iris_api.supervised import _files as files
from iris_api.testing import wait_for_condition
from tests.backends.support import is_alive

__all__ = ["DAEMON", "STUBBORN", "Rig", "Worker", "as_labels"]

DAEMON = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
STUBBORN = "trap '' TERM; while :; do sleep 0.1; done"  # as a shell command

_WORKER = """
import json, sys
from pathlib import Path
from iris_api.platform import Lease
from iris_backends.docker.keeper import Keeper

folder, daemon, label, given = sys.argv[1:]
given = json.loads(given)
remove = Path(given["remove"]) if given["remove"] else None
keeper = Keeper(Path(folder), daemon, label, bound=given["bound"], remove=remove)
address = keeper.way_in(given["listen"], given["controller"]) if given["listen"] else ""
keeper.hold(Lease(**given["lease"]) if given["lease"] else None, given["controller"])
print(address, flush=True)
for line in sys.stdin:
    keeper.close(end_containers=line == "end\\n")
    break
"""


class Worker:
    """A process that holds a keeper, until it is killed or closes it."""

    def __init__(
        self,
        folder: Path,
        label: str,
        *,
        grace: float | None = 1.0,
        absence: float = 60.0,
        controller: str = "",
        listen: str = "",
        bound: bool = False,
        remove: Path | None = None,
        daemon: str = DAEMON,
    ) -> None:
        given = {
            "lease": {"grace": grace, "absence": absence} if grace is not None else None,
            "controller": controller,
            "listen": listen,
            "bound": bound,
            "remove": str(remove) if remove is not None else "",
        }
        argv = [sys.executable, "-c", _WORKER, str(folder), daemon, label, json.dumps(given)]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the worker has no keeper"
        self.way_in = line.strip()

    def kill(self) -> None:
        """Also after it has ended."""
        self._process.kill()
        self._end()

    def close(self, *, end_containers: bool = False) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("end\n" if end_containers else "leave\n")
        self._process.stdin.flush()
        assert self._process.wait(20) == 0
        self._end()

    def _end(self) -> None:
        with self._process:
            pass


class Rig:
    """Workers with keepers, and the containers of one label. The folder of the first keeper is `folder`."""

    def __init__(self, client: docker.DockerClient, image: str, place: Path) -> None:
        self.folder = place / "keeper"
        self.label = f"iris.test={new_uid()}"
        self._client = client
        self.image = image
        self._place = place
        self._workers: list[Worker] = []

    def worker(self, **options: Any) -> Worker:
        given = {"folder": self.folder, "label": self.label, **options}
        self._workers.append(Worker(**given))
        return self._workers[-1]

    def container(self, code: str = "exec sleep 600", **options: Any) -> str:
        """The id of a new one that runs this."""
        given = {"labels": as_labels(self.label), "init": True, "network_mode": "none", **options}
        made = self._client.containers.run(self.image, ["sh", "-c", code], detach=True, **given)
        return str(made.id)

    def remove(self, container: str) -> None:
        self._client.api.remove_container(container, v=True, force=True)

    def containers(self) -> list[str]:
        """The ids of all that are there, in whatever state."""
        found = self._client.api.containers(all=True, quiet=True, filters={"label": self.label})
        return [one["Id"] for one in found]

    def is_running(self, container: str) -> bool:
        return bool(self._client.api.inspect_container(container)["State"]["Running"])

    def seconds_until_gone(self, *containers: str) -> float:
        began = time.monotonic()
        wait_for_condition(
            lambda: not set(containers) & set(self.containers()), timeout=20, message="the containers' end"
        )
        return time.monotonic() - began

    def keepers(self) -> list[int]:
        """The processes of all keepers."""
        return [pid for pid in files.all_pids() if str(self._place).encode() in _argv(pid)]

    def keeper(self) -> int:
        (pid,) = self.keepers()
        return pid

    def kill_keeper(self) -> None:
        pid = self.keeper()
        os.kill(pid, signal.SIGKILL)
        wait_for_condition(lambda: not is_alive(pid), message="the keeper's end")

    def keeper_memory(self) -> int:
        """Bytes; what is shared with others counts for the share."""
        lines = Path(f"/proc/{self.keeper()}/smaps_rollup").read_text().splitlines()
        (pss,) = [int(line.split()[1]) for line in lines if line.startswith("Pss:")]
        return pss * 1024

    def log(self) -> str:
        return (self.folder / "keeper.log").read_text()

    def close(self) -> None:
        """No keeper stays where there is neither a worker nor a container."""
        for worker in self._workers:
            worker.kill()
        for container in self.containers():
            self.remove(container)
        wait_for_condition(lambda: not self.keepers(), timeout=10, message="the keepers' end")


def as_labels(label: str) -> dict[str, str]:
    key, _, value = label.partition("=")
    return {key: value}


def _argv(pid: int) -> bytes:
    try:
        argv = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
    return argv if b"_keeper import main" in argv else b""
