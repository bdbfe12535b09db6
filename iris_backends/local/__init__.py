"""The `local` platform: machines are workers in this process, and their runtime runs tasks as its threads."""

from __future__ import annotations

from attrs import frozen

from iris_api.context import Context
from iris_api.hookspecs import hookimpl
from iris_api.platform import Machines, Platform, Runtime
from iris_api.provider import Provider
from iris_backends.local._machines import LocalMachines
from iris_backends.local._runtime import ThreadRuntime
from iris_backends.local._sandbox import AttemptStopped

__all__ = ["AttemptStopped", "LocalConfig", "LocalPlatform", "iris_platform"]


@frozen
class LocalConfig:
    """Nothing to configure."""


class LocalPlatform(Platform):
    """Both: machines and a runtime."""

    def __init__(self, config: LocalConfig, context: Context) -> None:
        self._machines = LocalMachines(context)
        self._runtime = ThreadRuntime(context.threads)

    @property
    def machines(self) -> Machines:  # type: ignore[override]
        return self._machines

    @property
    def runtime(self) -> Runtime:  # type: ignore[override]
        return self._runtime

    def close(self) -> None:
        self._machines.close()
        self._runtime.close()


@hookimpl
def iris_platform() -> Provider[LocalConfig, Platform]:
    summary = "workers and tasks as threads of this process"
    return Provider(LocalConfig, LocalPlatform, summary, "iris_backends.local.conformance")
