"""The platform: its runtime and its machines."""

from __future__ import annotations

from iris_api.context import Context
from iris_api.platform import Machines, Platform, Runtime
from iris_backends.docker.config import DockerConfig
from iris_backends.docker.machines import DockerMachines
from iris_backends.docker.runtime import DockerRuntime

__all__ = ["DockerPlatform"]


class DockerPlatform(Platform):
    """Both: a runtime, whose attempts outlive the worker where the context has a directory, and machines. A
    worker needs the one and a controller the other: each costs nothing until it is used."""

    def __init__(self, config: DockerConfig, context: Context) -> None:
        self._machines = DockerMachines(config, context)
        self._runtime = DockerRuntime(config, context)

    @property
    def machines(self) -> Machines:  # type: ignore[override]
        return self._machines

    @property
    def runtime(self) -> Runtime:  # type: ignore[override]
        return self._runtime

    def close(self) -> None:
        self._machines.close()
        self._runtime.close()
