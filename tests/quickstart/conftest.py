"""A real cluster on this machine: controller, one worker, tasks as processes, threads or containers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cloudpickle
import pytest

from iris.client import IrisClient
from tests.docker.conftest import docker_client, image

__all__ = ["docker_client", "image", "pickled_by_value", "remote_address", "remote_client", "runtime"]


@pytest.fixture(params=["process", "local", "docker"])
def runtime(request: pytest.FixtureRequest) -> str:
    """How tasks are sandboxed."""
    return str(request.param)


@pytest.fixture
def remote_address(runtime: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a running controller; only iris.toml says what tasks are."""
    config = tmp_path / "iris.toml"
    config.write_text(
        f'[pools.default]\nplatform = "local"\nruntime = "{runtime}"\n'
        'min = 1\nmax = 1\nresources = { cpu = 64, memory = "64GB" }\n'
        + (_containers(request.getfixturevalue("image")) if runtime == "docker" else "")
    )
    with IrisClient.local(config=config) as client:
        yield client.address


def _containers(image: str) -> str:
    return f'[platforms.docker]\nkind = "docker"\nimage = "{image}"\npull = "never"\n'


@pytest.fixture(autouse=True)
def pickled_by_value(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a test hands to jobs is not installed in an image."""
    cloudpickle.register_pickle_by_value(request.module)
    yield
    cloudpickle.unregister_pickle_by_value(request.module)


@pytest.fixture
def remote_client(remote_address: str) -> IrisClient:
    """A client as another program of the same user would make it."""
    return IrisClient.remote(remote_address)
