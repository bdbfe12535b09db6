"""Platform `docker`: one container per attempt, or per machine."""

from __future__ import annotations

import importlib.util

from iris_api.context import Context
from iris_api.errors import MissingDependency
from iris_api.hookspecs import hookimpl
from iris_api.platform import Platform
from iris_api.provider import Provider
from iris_backends.docker.config import DockerConfig

__all__ = ["DockerConfig", "iris_platform"]


@hookimpl
def iris_platform() -> Provider[DockerConfig, Platform]:
    summary = "each attempt, or each machine, a container of a Docker daemon"
    # There is no Docker daemon in a machine that is a container.
    return Provider(DockerConfig, _create, summary, "iris_backends.docker.conformance", runtime="process")


def _create(config: DockerConfig, context: Context) -> Platform:
    for needed in ("docker", "tenacity"):
        if importlib.util.find_spec(needed) is None:
            raise MissingDependency(needed, extra="docker")
    from iris_backends.docker.platform import DockerPlatform

    return DockerPlatform(config, context)
