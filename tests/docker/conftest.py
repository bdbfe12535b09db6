"""A real Docker daemon, and an image that containers can be made of."""

import gc
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import docker
import pytest
from docker.errors import DockerException

from tests.docker.daemon import Daemon, own_daemon
from tests.docker.image import ensure_image
from tests.docker.keepers import Rig

# Read early: a test of its own sees no IRIS_* of whoever runs it.
_REQUIRED = "IRIS_REQUIRE_DOCKER" in os.environ


def _connect() -> docker.DockerClient | str:
    """A client, or why there is none."""
    with warnings.catch_warnings():
        # The SDK leaves the socket open that it could not connect; that is not of the test that comes next.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            return docker.from_env()  # asks for the daemon's version
        except DockerException as error:
            reason = f"no Docker daemon answers: {error}"
        gc.collect()
    return reason


@pytest.fixture(scope="session")
def docker_client() -> Iterator[docker.DockerClient]:
    """Skips where no daemon answers; fails there with IRIS_REQUIRE_DOCKER in the environment."""
    client = _connect()
    if isinstance(client, str):
        if _REQUIRED:
            pytest.fail(f"{client} (IRIS_REQUIRE_DOCKER is set)", pytrace=False)
        pytest.skip(client)
    yield client
    client.close()


@pytest.fixture(scope="session")
def image(docker_client: docker.DockerClient) -> str:
    """Tag of an image with this Python and a shell, and without anybody's packages."""
    return ensure_image(docker_client)


@pytest.fixture
def start_daemon(docker_client: docker.DockerClient) -> Iterator[Callable[..., Daemon]]:
    """Starts a daemon of the test's own, with the flags that it is given: one that may be killed."""
    driver = docker_client.info()["Driver"]  # which works here
    with ExitStack() as daemons:
        yield lambda *flags: daemons.enter_context(own_daemon("--storage-driver", driver, *flags))


@pytest.fixture
def rig(docker_client: docker.DockerClient, image: str, tmp_path: Path) -> Iterator[Rig]:
    """Workers with keepers, and containers for these."""
    made = Rig(docker_client, image, tmp_path)
    yield made
    made.close()
