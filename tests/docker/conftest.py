"""A real Docker daemon, and an image that containers can be made of."""

import gc
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import docker
import pytest
from docker.errors import DockerException

from iris_api.jobs import Entry
from iris_api.platform import Runtime
from iris_api.testing import Installed
from iris_api.testing.conformance._tasks import Attempts, Task, marked_processes
from tests.docker.daemon import Daemon, own_daemon
from tests.docker.image import ensure_image
from tests.docker.keepers import Rig
from tests.docker.leftovers import remove_leftovers

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


@pytest.fixture(scope="session")
def cache(pytestconfig: pytest.Config) -> Iterator[Path]:
    """What containers are lent is large, and another copy of it for each state of this checkout: the last
    stays for the next run."""
    made = pytestconfig.cache.mkdir("docker")
    yield made
    copies = sorted((made / "iris").glob("packages-*"), key=lambda path: path.stat().st_mtime)
    for path in copies[:-1]:
        shutil.rmtree(path)


@pytest.fixture(autouse=True)
def own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))


@pytest.fixture
def installed(
    docker_client: docker.DockerClient, installed: Callable[..., Installed]
) -> Iterator[Callable[..., Installed]]:
    """As the kit has it; and the test fails that leaves something at the daemon of what this has made."""
    made: list[Installed] = []

    def find(name: str, **options: object) -> Installed:
        made.append(installed(name, **options))
        return made[-1]

    yield find
    for one in made:
        one.close()
    if left := [text for one in made for text in remove_leftovers(docker_client, one.cluster)]:
        pytest.fail("left at the daemon:\n" + "\n".join(left), pytrace=False)


@pytest.fixture
def make_runtime(installed: Callable[..., Installed], image: str) -> Callable[..., Runtime]:
    """Of a table with these options, each in a directory of its own."""
    return lambda **options: installed("docker", **{"image": image, **options}).runtime()


@pytest.fixture
def attempts(make_runtime: Callable[..., Runtime], tmp_path: Path) -> Iterator[Attempts]:
    """What is left of them is ended before the runtimes are closed."""
    made = Attempts(tmp_path / "work", lambda what: Entry(argv=what.argv()), marked_processes, 40.0)
    yield made
    made.clean()


@pytest.fixture
def start(make_runtime: Callable[..., Runtime], attempts: Attempts) -> Callable[..., Task]:
    """Starts tasks of one runtime whose table names nothing but the image."""
    return partial(attempts.start, make_runtime())


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
