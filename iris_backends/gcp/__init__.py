"""Platform `gcp`: workers on Compute Engine machines. Not built yet: it says what is missing."""

from __future__ import annotations

import importlib.util

from attrs import frozen

from iris_api.context import Context
from iris_api.errors import MissingDependency, PluginError
from iris_api.hookspecs import hookimpl
from iris_api.platform import Platform
from iris_api.provider import Provider

__all__ = ["GcpConfig", "iris_platform"]


@frozen(kw_only=True)
class GcpConfig:
    """`project` of Google Cloud; None: that of the credentials."""

    project: str | None = None


@hookimpl
def iris_platform() -> Provider[GcpConfig, Platform]:
    return Provider(GcpConfig, _create, "Compute Engine machines (not built in this version)")


def _create(config: GcpConfig, context: Context) -> Platform:
    if not _has_sdk():
        raise MissingDependency("google-cloud-compute", extra="gcp")
    raise PluginError("platform 'gcp' is not built in this version of Iris; use 'process' or 'local'")


def _has_sdk() -> bool:
    try:
        return importlib.util.find_spec("google.cloud.compute_v1") is not None
    except ModuleNotFoundError:  # not even a parent of it is there
        return False
