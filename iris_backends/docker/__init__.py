"""Platform `docker`: one container per attempt. Not built yet: it says what is missing."""

from __future__ import annotations

import importlib.util

from attrs import frozen

from iris_api.context import Context
from iris_api.errors import MissingDependency, PluginError
from iris_api.hookspecs import hookimpl
from iris_api.platform import Platform
from iris_api.provider import Provider

__all__ = ["DockerConfig", "iris_platform"]


@frozen(kw_only=True)
class DockerConfig:
    """No options."""


@hookimpl
def iris_platform() -> Provider[DockerConfig, Platform]:
    return Provider(DockerConfig, _create, "containers of a Docker host (not built in this version)")


def _create(config: DockerConfig, context: Context) -> Platform:
    if importlib.util.find_spec("docker") is None:
        raise MissingDependency("docker", extra="docker")
    raise PluginError("platform 'docker' is not built in this version of Iris; use 'process' or 'local'")
