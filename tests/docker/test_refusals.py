"""What cannot be started: each has a cause of its own, is told at once, and leaves nothing."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from iris_api.errors import PlatformError
from iris_api.jobs import Entry, Entrypoint
from iris_api.platform import ExitKind, Runtime
from iris_api.testing import Installed
from iris_api.testing.conformance._tasks import Attempts, Task
from iris_backends.docker.engine import Engine
from iris_backends.docker.errors import DaemonDown, ImageMissing, NameTaken, RegistryUnreachable
from tests.docker.registry import Registry, registry

Start = Callable[..., Task]
MakeRuntime = Callable[..., Runtime]
_AT_ONCE = 10.0  # seconds, far below those for which faults of the daemon are tried again


@pytest.fixture(autouse=True)
def nothing_is_kept(tmp_path: Path) -> Iterator[None]:
    """Of a start that fails; of others until they are forgotten."""
    yield
    assert list(tmp_path.glob("directory/*/attempts/*")) == []


@pytest.mark.parametrize(
    ("pull", "name", "kind"),
    [
        ("never", "iris-test.invalid/none:1", ImageMissing),
        ("missing", "127.0.0.1:1/none:1", RegistryUnreachable),
        ("always", "127.0.0.1:1/none:1", RegistryUnreachable),
        ("missing", "Not An Image", ImageMissing),
    ],
)
def test_an_image_that_cannot_be_had(
    make_runtime: MakeRuntime, attempts: Attempts, pull: str, name: str, kind: type[PlatformError]
) -> None:
    began = time.monotonic()
    with pytest.raises(kind, match=name):
        attempts.start(make_runtime(pull=pull), ("true",), image=name)
    assert time.monotonic() - began < _AT_ONCE


def test_an_image_that_its_registry_has_only_in_part(make_runtime: MakeRuntime, attempts: Attempts) -> None:
    """The daemon says so in the midst of an answer that has begun well."""
    with registry() as images:
        name = images.push("iris/broken", "1", layer=False)
        with pytest.raises(ImageMissing, match="unknown blob"):
            attempts.start(make_runtime(image=name), ("true",))


@pytest.fixture
def pushed(docker_client: docker.DockerClient) -> Iterator[tuple[Registry, str]]:
    with registry() as images:
        name = images.push("iris/small", "1")
        yield images, name
        docker_client.images.remove(name, force=True)


def test_an_image_is_fetched_when_it_is_missing(
    make_runtime: MakeRuntime, attempts: Attempts, pushed: tuple[Registry, str]
) -> None:
    """And not again, unless the table says so. What is in it cannot be run here."""
    images, name = pushed
    runtime = make_runtime(image=name)
    first = attempts.start(runtime, ("nothing",))
    assert first.end().code == 127
    assert "cannot run nothing: No such file or directory" in first.end().message
    asked = len(images.asked)
    assert attempts.start(runtime, ("nothing",)).end().code == 127
    assert len(images.asked) == asked > 0
    attempts.start(make_runtime(image=name, pull="always"), ("nothing",)).end()
    assert len(images.asked) > asked


@pytest.fixture(scope="module")
def without_python(docker_client: docker.DockerClient, image: str) -> Iterator[str]:
    container = docker_client.containers.run(
        image, ["sh", "-c", "rm /usr/local/bin/python*"], detach=True, network_mode="none"
    )
    container.wait()
    made = container.commit("iris-test-without-python", str(os.getpid()))
    container.remove(force=True)
    yield made.tags[0]
    docker_client.images.remove(made.tags[0])


def test_an_image_without_python(start: Start, without_python: str) -> None:
    """Commands run in it."""
    end = start(print, "ran", image=without_python).end()
    assert end.kind is ExitKind.ENVIRONMENT
    assert without_python in end.message
    assert "python3" in end.message
    assert start(("echo", "ran"), image=without_python).line() == "ran"


def test_a_call_of_another_version_of_python(start: Start) -> None:
    call = Entrypoint.from_callable(print, "ran").entry().call
    task = start(Entry(call=call, python="3.9"))
    end = task.end()
    assert end.kind is ExitKind.ENVIRONMENT
    mine = ".".join(platform.python_version_tuple()[:2])
    assert "Python 3.9" in end.message
    assert f"Python {mine}" in end.message
    assert task.output.of("stdout") == []


def test_a_name_that_is_taken(
    make_runtime: MakeRuntime, attempts: Attempts, docker_client: docker.DockerClient, image: str
) -> None:
    """Whoever has it keeps it."""
    launch = attempts.launch(("true",))
    launch.workdir.mkdir(parents=True)
    other = docker_client.containers.create(image, ["true"], name=f"iris-{launch.uid}")
    try:
        with pytest.raises(NameTaken, match=launch.uid):
            make_runtime().start(launch)
        other.reload()
    finally:
        other.remove()


def test_a_mount_of_what_is_not_there(start: Start, make_runtime: MakeRuntime, attempts: Attempts) -> None:
    """The daemon would make it, as root."""
    with pytest.raises(PlatformError, match="/iris-nowhere"):
        attempts.start(make_runtime(mounts=["/iris-nowhere:/x"]), ("true",))
    assert not Path("/iris-nowhere").exists()


def test_a_network_that_there_is_not(make_runtime: MakeRuntime, attempts: Attempts) -> None:
    with pytest.raises(PlatformError, match="iris-no-such-network"):
        attempts.start(make_runtime(network="iris-no-such-network"), ("true",))


def test_nobody_answers_there(tmp_path: Path) -> None:
    engine = Engine(f"unix://{tmp_path}/none", patience=0.2)
    with pytest.raises(DaemonDown, match=r"no Docker daemon answers at unix://.*is dockerd up"):
        engine.info()
    engine.close()


@pytest.mark.slow
def test_a_daemon_that_is_down_is_waited_for_a_while(
    installed: Callable[..., Installed], tmp_path: Path
) -> None:
    attempts = Attempts(tmp_path / "work", lambda what: Entry(argv=what.argv()), lambda uid: [], 40.0)
    runtime = installed("docker", host=f"unix://{tmp_path}/none").runtime()
    began = time.monotonic()
    with pytest.raises(DaemonDown):
        attempts.start(runtime, ("true",))
    assert 15 < time.monotonic() - began < 30
