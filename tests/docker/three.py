"""A cluster of machines that are containers: ``iris up`` and ``iris down``, as a user calls them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import docker
import docker.models.containers

from iris.client import IrisClient
from iris.client.job import Job
from iris.client.status import AttemptStatus
from iris.cluster.types import Entrypoint, TaskState
from iris_api.ids import new_id
from iris_api.testing import wait_for_condition

__all__ = ["GRACE", "LIMIT", "Three"]

GRACE: Final = 3.0  # seconds after which a machine that is silent is lost
LIMIT: Final = 40.0  # seconds that any wait of these tests may take

_CONFIG: Final = """
[cluster]
name = "{name}"

[controller]
listen = "127.0.0.1:0"
state = "{directory}/state"
worker_grace = {grace}

[platforms.here]
kind = "docker"
image = "{image}"

[pools.small]
platform = "here"
min = {count}
max = {count}
resources = {{ cpu = 1, memory = "200MB" }}
"""


class Three:
    """Tokens and caches are in `directory`."""

    def __init__(self, directory: Path, image: str, client: docker.DockerClient, count: int = 3) -> None:
        self.name, self.directory, self._count = new_id("three"), directory, count
        self.daemon = client
        self.config = directory / "iris.toml"
        self.config.write_text(
            _CONFIG.format(name=self.name, directory=directory, grace=GRACE, image=image, count=count)
        )
        self._up, self.client = self._start()

    @property
    def machines(self) -> Mapping[str, docker.models.containers.Container]:
        """By their workers' ids."""
        found = self.daemon.containers.list(all=True, filters=self._labels, ignore_removed=True)
        return {f"{one.labels['iris.slice']}-{one.labels['iris.index']}": one for one in found}

    @property
    def healthy(self) -> set[str]:
        """Ids of the workers that the controller hears of."""
        return {one.worker_id for one in self.client.list_workers() if one.state == "healthy"}

    def whole(self) -> None:
        """Return once it has all its machines and they are well."""

        def look() -> bool:
            return len(self.healthy) == self._count and self.healthy == self.machines.keys()

        wait_for_condition(look, LIMIT, message=f"{self._count} machines")

    def submit(self, call: Callable[..., Any], *args: Any, **options: Any) -> Job:
        entry = Entrypoint.from_callable(call, *args)
        return self.client.submit(name=new_id("job"), entrypoint=entry, **options)

    def attempts(self, job: Job) -> tuple[AttemptStatus, ...]:
        return job.status().tasks[0].attempts

    def running_on(self, job: Job, number: int = 0) -> str:
        """The worker on which this attempt runs now."""

        def look() -> str:
            attempts = self.attempts(job)
            running = len(attempts) > number and attempts[number].state is TaskState.RUNNING
            return attempts[number].worker_id if running else ""

        return wait_for_condition(look, LIMIT, message=f"attempt {number} to run")

    def crash(self) -> None:
        """The controller is killed, and started again; it listens on another port."""
        self._up.kill()
        self._up.communicate(timeout=LIMIT)
        self._up, self.client = self._start()

    def down(self) -> str:
        """End the controller, and then the machines; what that said."""
        if self._up.poll() is None:
            self._up.send_signal(signal.SIGINT)
            self._up.communicate(timeout=LIMIT)
        ended = subprocess.run(
            [sys.executable, "-m", "iris", "down", "--config", str(self.config)],
            capture_output=True,
            text=True,
            env=self._env,
            timeout=2 * LIMIT,
            check=False,
        )
        return ended.stdout + ended.stderr

    def left(self) -> list[str]:
        """Names of what the daemon still has of it."""
        networks = self.daemon.networks.list(filters=self._labels)
        volumes = self.daemon.volumes.list(filters=self._labels)
        return [str(one) for one in (*self.machines.values(), *networks, *volumes)]

    def _start(self) -> tuple[subprocess.Popen[str], IrisClient]:
        command = [sys.executable, "-u", "-m", "iris", "up", "--config", str(self.config)]
        up = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=self._env)
        assert up.stdout is not None
        said = up.stdout.readline()
        found = re.search(r"http://[\d.:]+", said)
        assert found, f"iris up said: {said}"
        token = (self.directory / "state" / "token").read_text()
        return up, IrisClient.remote(found[0], token=token)

    @property
    def _labels(self) -> dict[str, str | list[str] | bool]:
        return {"label": f"iris.cluster={self.name}"}

    @property
    def _env(self) -> dict[str, str]:
        return {**os.environ, "XDG_STATE_HOME": str(self.directory / "tokens")}
