"""What the docker platform promises: the rules of its machines and its runtime, on this machine's daemon."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Final

import docker
import pytest

from iris_api.credentials import new_token
from iris_api.ids import new_id
from iris_api.platform import Machines, Runtime, SliceRequest
from iris_api.resources import ResourceSpec
from iris_api.testing import Installed, MachinesConformance, RuntimeConformance
from iris_api.threads import ThreadRegistry
from iris_backends.docker.template import MachineTemplate

__all__ = ["TestDockerMachines", "TestDockerRuntime", "make_machines"]

_NOBODY: Final = "http://192.0.2.1:10000"  # of a block of addresses for documents: there is no controller
_MEMORY: Final = 512_000_000  # bytes of each machine


def _settings(pool: str, resources: ResourceSpec | None) -> Mapping[str, Any]:
    return {"platforms": {}, "pools": {pool: {"platform": "process", "runtime": "process"}}}


class _Refusing(BaseHTTPRequestHandler):
    """A daemon that tells its version, and answers everything else with one status."""

    def __init__(self, status: int, *args: Any) -> None:
        self._status = status
        super().__init__(*args)

    def do_GET(self) -> None:
        if self.path != "/version":
            self.send_error(self._status, "not by this daemon")
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"ApiVersion": "1.41"}')

    def log_message(self, format: str, *args: Any) -> None:
        """Nowhere."""


class TestDockerMachines(MachinesConformance):
    """Their workers run, and look for a controller that there is not."""

    @pytest.fixture
    def make_machines(self, installed: Callable[..., Installed]) -> Callable[[str], Machines]:
        plugin = installed("docker")
        return lambda cluster: make_machines(plugin, cluster)

    @pytest.fixture
    def template(self) -> MachineTemplate:
        return MachineTemplate(memory=_MEMORY)

    @pytest.fixture
    def daemon(self, installed: Callable[..., Installed]) -> Iterator[docker.DockerClient]:
        host = installed("docker").table.get("host")
        client = docker.DockerClient(base_url=host) if host else docker.from_env()
        yield client
        client.close()

    @pytest.fixture
    def exists(self, daemon: docker.DockerClient) -> Callable[[str], bool]:
        def exists(slice_id: str) -> bool:
            return bool(daemon.api.containers(all=True, filters={"label": f"iris.slice={slice_id}"}))

        return exists

    @pytest.fixture
    def machines_without_room(
        self, make_machines: Callable[[str], Machines], daemon: docker.DockerClient
    ) -> Iterator[Machines]:
        yield from _filled(make_machines(new_id("full")), daemon.info()["MemTotal"])

    @pytest.fixture
    def machines_with_room_for_one(
        self, make_machines: Callable[[str], Machines], daemon: docker.DockerClient
    ) -> Iterator[Machines]:
        yield from _filled(make_machines(new_id("small")), daemon.info()["MemTotal"] - _MEMORY)

    @pytest.fixture
    def machines_denied(self, refusing: Callable[[int], Machines]) -> Machines:
        return refusing(403)

    @pytest.fixture
    def machines_failing(self, refusing: Callable[[int], Machines]) -> Machines:
        return refusing(500)

    @pytest.fixture
    def refusing(
        self, installed: Callable[..., Installed], thread_registry: ThreadRegistry
    ) -> Iterator[Callable[[int], Machines]]:
        """Machines of a daemon that answers everything with this status."""
        with ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as server:
            thread = thread_registry.container.spawn(lambda _stop: server.serve_forever(0.05), "daemon")
            host = f"tcp://127.0.0.1:{server.server_port}"

            def make(status: int) -> Machines:
                server.RequestHandlerClass = partial(_Refusing, status)
                return make_machines(installed("docker", host=host), "refused")

            yield make
            server.shutdown()
            thread.join(5.0)


def make_machines(plugin: Installed, cluster: str) -> Machines:
    """Of a platform that a controller has made."""
    return plugin.machines(cluster=cluster, controller=_NOBODY, token=new_token(), worker_settings=_settings)


def _filled(machines: Machines, memory: int) -> Iterator[Machines]:
    """Of a cluster that has a machine with this much."""
    request = SliceRequest(slice_id=new_id("large"), pool="cpu", template=MachineTemplate(memory=memory))
    machines.create(request)
    yield machines
    machines.delete(request.slice_id)


class TestDockerRuntime(RuntimeConformance):
    """The table's `image` is to be there, or to be had."""

    not_promised: ClassVar = {
        "memory_peak": "it is looked at each second: of a short task it is not known",
    }

    @pytest.fixture
    def patience(self) -> float:
        return 60.0

    @pytest.fixture
    def make_runtime(self, installed: Callable[..., Installed]) -> Callable[[], Runtime]:
        return installed("docker").runtime
