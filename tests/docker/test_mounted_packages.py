"""A container whose image has only Python, with the packages of this installation."""

from __future__ import annotations

from pathlib import Path

import docker
import docker.types
import pytest

from iris_backends.docker.packages import packages


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packages(tmp_path_factory.mktemp("made"))


def run(
    client: docker.DockerClient,
    image: str,
    made: Path,
    code: str,
    *mounts: docker.types.Mount,
    **options: str,
) -> str:
    """What this code prints in a container that has the packages at /iris."""
    output = client.containers.run(
        image,
        ["python3", "-c", f"import sys; sys.path.append('/iris'); {code}"],
        mounts=[mounted("/iris", made), *mounts],
        user="1234:1234",
        read_only=True,
        network_mode="none",
        environment=options,
        remove=True,
        stderr=True,
    )
    return bytes(output).decode()


def mounted(target: str, source: Path) -> docker.types.Mount:
    return docker.types.Mount(target, str(source), type="bind", read_only=True)


def test_iris_can_be_imported_in_a_container(
    docker_client: docker.DockerClient, image: str, made: Path
) -> None:
    code = "import cloudpickle, iris.actor, iris.client; print(iris.client.__file__)"
    assert run(docker_client, image, made, code) == "/iris/iris/client/__init__.py\n"


def test_its_plugins_are_found_in_a_container(
    docker_client: docker.DockerClient, image: str, made: Path
) -> None:
    code = "from iris_api.plugins import Plugins; print(Plugins().load('http').name)"
    assert run(docker_client, image, made, code) == "http\n"


def test_modules_are_not_compiled_in_a_container(
    docker_client: docker.DockerClient, image: str, made: Path
) -> None:
    """That would take longer than all the rest of the start of a task."""
    code = (
        "import importlib._bootstrap_external as b; "
        "compile = b.SourceLoader.source_to_code; "
        "b.SourceLoader.source_to_code = lambda *a, **k: print('compiled', a[2]) or compile(*a, **k); "
        "import cloudpickle; print('done')"
    )
    assert run(docker_client, image, made, code) == "done\n"


def test_the_images_own_packages_go_first(
    docker_client: docker.DockerClient, image: str, made: Path, tmp_path: Path
) -> None:
    (tmp_path / "own").mkdir()  # others may read it, unlike the directory around it
    (tmp_path / "own" / "cloudpickle.py").write_text("whose = 'the image'")
    own = mounted("/own", tmp_path / "own")
    code = "import cloudpickle; print(cloudpickle.whose)"
    assert run(docker_client, image, made, code, own, PYTHONPATH="/own") == "the image\n"
