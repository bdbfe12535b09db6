"""The platform: its runtime."""

from __future__ import annotations

from iris_api.context import Context
from iris_api.platform import Platform, Runtime
from iris_backends.docker.config import DockerConfig
from iris_backends.docker.runtime import DockerRuntime

__all__ = ["DockerPlatform"]


class DockerPlatform(Platform):
    """Attempts outlive the worker where the context has a directory."""

    def __init__(self, config: DockerConfig, context: Context) -> None:
        self._runtime = DockerRuntime(config, context)

    @property
    def runtime(self) -> Runtime:  # type: ignore[override]
        return self._runtime

    def close(self) -> None:
        self._runtime.close()
