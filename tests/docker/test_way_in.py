"""How containers reach a controller that listens on the loopback of their host."""

from __future__ import annotations

import http.server
import logging
import socket
import threading
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit

import docker
import pytest

from iris_api.errors import PlatformError
from iris_api.platform import Lease
from iris_api.testing import wait_for_condition
from iris_backends.docker.keeper import Keeper
from tests.docker.keepers import DAEMON, Rig

LEASE = Lease(grace=30.0, absence=60.0)


@pytest.fixture
def keeper(rig: Rig) -> Iterator[Keeper]:
    made = Keeper(rig.folder, DAEMON, rig.label, bound=False)
    yield made
    made.close(end_containers=True)


class Controller:
    """It answers every request with its name."""

    def __init__(self, name: str, port: int = 0) -> None:
        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(name.encode())

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Answer)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.port = self._server.server_port
        self.address = f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def controller() -> Iterator[Controller]:
    made = Controller("controller")
    yield made
    made.close()


def answer(address: str) -> str:
    with urllib.request.urlopen(address, timeout=10) as response:
        return str(response.read().decode())


def test_a_container_reaches_it_without_its_worker(
    rig: Rig, docker_client: docker.DockerClient, controller: Controller
) -> None:
    """At the address that the container was told when the worker was there."""
    (setting,) = docker_client.networks.get("bridge").attrs["IPAM"]["Config"]
    worker = rig.worker(listen=setting["Gateway"], controller=controller.address, grace=30.0)
    worker.kill()
    code = f"import urllib.request as u; print(u.urlopen('{worker.way_in}', timeout=10).read().decode())"
    container = rig.container(f'exec python3 -c "{code}"', network_mode="bridge")
    assert docker_client.api.wait(container)["StatusCode"] == 0
    assert docker_client.api.logs(container) == b"controller\n"


def test_it_is_the_same_after_the_keeper_was_killed(rig: Rig, keeper: Keeper, controller: Controller) -> None:
    address = keeper.way_in("127.0.0.1", controller.address)
    rig.kill_keeper()
    keeper.hold(LEASE)
    assert answer(address) == "controller"
    assert keeper.way_in("127.0.0.1", controller.address) == address


def test_it_is_the_same_for_the_next_worker(rig: Rig, controller: Controller) -> None:
    """Whether the keeper has lived on or not. What runs through it is not interrupted by a new worker."""
    container = rig.container()  # keeps the keeper
    first = rig.worker(listen="127.0.0.1", controller=controller.address)
    where = urlsplit(first.way_in)
    with socket.create_connection((str(where.hostname), where.port or 0), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n")
        first.kill()
        second = rig.worker(listen="127.0.0.1", controller=controller.address)
        connection.sendall(b"\r\n")
        assert connection.makefile("rb").read().endswith(b"controller")
    rig.kill_keeper()
    second.kill()
    third = rig.worker(listen="127.0.0.1", controller=controller.address)
    assert {first.way_in, second.way_in, third.way_in} == {first.way_in}
    assert rig.is_running(container)


def test_a_worker_that_only_holds_keeps_it(rig: Rig, controller: Controller) -> None:
    rig.container()
    first = rig.worker(listen="127.0.0.1", controller=controller.address)
    first.kill()
    rig.worker()
    assert answer(first.way_in) == "controller"


def test_it_leads_to_the_controller_that_was_told_last(keeper: Keeper, controller: Controller) -> None:
    other = Controller("another")
    try:
        address = keeper.way_in("127.0.0.1", controller.address)
        assert keeper.way_in("127.0.0.1", other.address) == address
        assert answer(address) == "another"
    finally:
        other.close()


def test_a_controller_that_restarts(keeper: Keeper) -> None:
    first = Controller("first")
    address = keeper.way_in("127.0.0.1", first.address)
    assert answer(address) == "first"
    first.close()
    with pytest.raises(OSError, match="reset"):
        answer(address)
    second = Controller("second", first.port)
    try:
        assert answer(address) == "second"
    finally:
        second.close()


def listen(port: int) -> socket.socket | None:
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError:  # a connection of somebody's has it at this moment
        return None


def test_a_port_that_was_taken_meanwhile(
    rig: Rig, keeper: Keeper, controller: Controller, caplog: pytest.LogCaptureFixture
) -> None:
    """Containers that are started from then on have another one."""
    address = keeper.way_in("127.0.0.1", controller.address)
    rig.kill_keeper()
    taken = wait_for_condition(lambda: listen(urlsplit(address).port or 0), 20, message="the port to be free")
    assert taken is not None
    with taken:
        with caplog.at_level(logging.WARNING):
            other = keeper.way_in("127.0.0.1", controller.address)
        assert answer(other) == "controller"
    assert "is taken" in caplog.text


def test_an_address_that_is_not_of_this_machine(keeper: Keeper, controller: Controller) -> None:
    """It is said, the containers are held all the same, and a better address will do."""
    with pytest.raises(PlatformError, match=r"no way in to the controller at 192\.0\.2\.1: .*assign"):
        keeper.way_in("192.0.2.1", controller.address)
    keeper.hold(LEASE)
    assert answer(keeper.way_in("127.0.0.1", controller.address)) == "controller"


def test_a_controller_without_an_address(keeper: Keeper) -> None:
    with pytest.raises(PlatformError, match="'nowhere' names no host"):
        keeper.way_in("127.0.0.1", "nowhere")
