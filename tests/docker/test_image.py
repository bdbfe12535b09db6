"""The image is what tests of containers take it for."""

import platform
import time

import docker
import pytest
from docker.errors import ContainerError

from tests.docker.image import ensure_image


def said(client: docker.DockerClient, image: str, *argv: str, user: int = 1234) -> str:
    output: bytes = client.containers.run(image, list(argv), user=user, read_only=True, remove=True)
    return output.decode().strip()


def test_python_is_the_one_that_runs_the_tests(docker_client: docker.DockerClient, image: str) -> None:
    script = "import platform; print(platform.python_version())"
    assert said(docker_client, image, "python3", "-c", script) == platform.python_version()


def test_modules_with_libraries_of_their_own_load(docker_client: docker.DockerClient, image: str) -> None:
    modules = "asyncio, bz2, ctypes, hashlib, json, lzma, multiprocessing, socket, ssl, uuid, venv, zlib"
    assert said(docker_client, image, "python3", "-c", f"import {modules}; print('loaded')") == "loaded"


def test_nobodys_packages_are_in_it(docker_client: docker.DockerClient, image: str) -> None:
    found = "import importlib.metadata as m; print([d.name for d in m.distributions()])"
    assert said(docker_client, image, "python3", "-c", found) == "[]"


def test_an_exit_code_arrives(docker_client: docker.DockerClient, image: str) -> None:
    with pytest.raises(ContainerError) as raised:
        said(docker_client, image, "sh", "-c", "exit 7")
    assert raised.value.exit_status == 7


def test_any_user_has_a_place_to_write(docker_client: docker.DockerClient, image: str) -> None:
    output: bytes = docker_client.containers.run(
        image, ["sh", "-c", "id -u; echo kept > /tmp/file; cat /tmp/file"], user=4321, remove=True
    )
    assert output.decode().split() == ["4321", "kept"]


def test_it_is_made_once(docker_client: docker.DockerClient, image: str) -> None:
    first = docker_client.images.get(image).id
    began = time.monotonic()
    assert ensure_image(docker_client) == image
    assert time.monotonic() - began < 1.0
    assert docker_client.images.get(image).id == first
