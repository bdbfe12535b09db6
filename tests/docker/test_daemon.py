"""A daemon of a test's own can be killed and suspended, and the machine's goes on."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import docker
import pytest
import requests
from docker.models.containers import Container

from tests.docker.daemon import Daemon
from tests.docker.image import ensure_image

pytestmark = pytest.mark.slow

Start = Callable[..., Daemon]


@contextmanager
def sleeping(client: docker.DockerClient) -> Iterator[Container]:
    container = client.containers.run(ensure_image(client), ["sleep", "60"], detach=True)
    try:
        yield container
    finally:
        container.remove(force=True)


def test_containers_survive_its_death_when_they_shall(start_daemon: Start) -> None:
    daemon = start_daemon("--live-restore")
    with closing(daemon.client()) as client, sleeping(client) as container:
        daemon.kill()
        daemon.start()
        container.reload()
        assert container.status == "running"


def test_containers_are_ended_by_its_successor_else(start_daemon: Start) -> None:
    daemon = start_daemon()
    with closing(daemon.client()) as client, sleeping(client) as container:
        daemon.kill()
        daemon.start()
        container.reload()
        assert container.status == "exited"
        assert container.attrs["State"]["ExitCode"] == 137


def test_its_death_is_not_the_end_of_others(start_daemon: Start, docker_client: docker.DockerClient) -> None:
    with sleeping(docker_client) as container:
        start_daemon().kill()
        container.reload()
        assert container.status == "running"


def test_one_that_is_suspended_does_not_answer(start_daemon: Start) -> None:
    daemon = start_daemon()
    with closing(daemon.client(timeout=1)) as client:
        daemon.suspend()
        with pytest.raises(requests.ReadTimeout):
            client.ping()
        daemon.resume()
        assert client.ping()


def test_its_containers_reach_this_machine(start_daemon: Start) -> None:
    daemon = start_daemon()
    with closing(daemon.client()) as client, socket.create_server((daemon.address, 0)) as server:
        where = server.getsockname()[:2]
        script = f"import socket; socket.create_connection({where!r}).sendall(b'here')"
        client.containers.run(ensure_image(client), ["python3", "-c", script], remove=True)
        with server.accept()[0] as connection:
            assert connection.recv(4) == b"here"
