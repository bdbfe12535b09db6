"""Ports of tasks in containers, and who reaches them."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from iris_api.platform import Runtime
from iris_api.testing import wait_for_condition
from iris_api.testing.conformance._tasks import Attempts, Task
from iris_backends.docker.errors import PortTaken

Start = Callable[..., Task]

_SERVE = """
import os, socket
with socket.create_server(("0.0.0.0", int(os.environ["IRIS_PORT_WEB"]))) as server:
    print(os.environ["IRIS_ADVERTISE_HOST"], flush=True)
    while True:
        server.accept()[0].sendall(b"here")
"""
_ASK = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=10) as connection:
    print(connection.recv(10).decode())
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def ask(host: str, port: int) -> bytes:
    """Nothing if nobody is there yet: what publishes a port accepts before the task does."""
    try:
        with socket.create_connection((host, port), timeout=10) as connection:
            return connection.recv(10)
    except OSError:
        return b""


def test_a_port_is_reached_from_this_machine_and_from_other_containers(start: Start) -> None:
    port = free_port()
    server = start(("python3", "-c", _SERVE), info={"ports": {"web": port}})
    assert server.line() == "0.0.0.0"  # which stands for its own address
    own = server.sandbox.exec(("hostname", "-i"))[1].decode().strip()
    for host in (own, "127.0.0.1"):
        assert wait_for_condition(partial(ask, host, port), message=f"an answer at {host}") == b"here"
    client = start(("python3", "-c", _ASK, own, str(port)))
    assert client.end().success, client.output.entries
    assert client.output.of("stdout") == ["here"]


def test_a_worker_that_others_reach_has_the_ports_of_its_tasks(start: Start) -> None:
    """As one of another machine would come: at an address of this one that is not loopback."""
    port = free_port()
    server = start(("python3", "-c", _SERVE), info={"ports": {"web": port}, "advertise_host": "127.0.0.7"})
    assert server.line() == "127.0.0.7"
    assert wait_for_condition(partial(ask, "127.0.0.7", port), message="an answer") == b"here"


def test_without_a_network_there_is_none(make_runtime: Callable[..., Runtime], attempts: Attempts) -> None:
    """Not even a port of the job's: it is told, and nothing is published."""
    code = "cut -d: -f1 -s /proc/net/dev | tr -d ' '"
    runtime = make_runtime(network="none")
    task = attempts.start(runtime, ("sh", "-c", code), info={"ports": {"web": free_port()}})
    assert task.end().success
    assert task.output.of("stdout") == ["lo"]


def test_the_machines_network(make_runtime: Callable[..., Runtime], attempts: Attempts) -> None:
    port = free_port()
    runtime = make_runtime(network="host")
    server = attempts.start(runtime, ("python3", "-c", _SERVE), info={"ports": {"web": port}})
    assert server.line() == "127.0.0.1"
    assert ask("127.0.0.1", port) == b"here"
    task = attempts.start(runtime, ("python3", "-c", "import os; print(os.readlink('/proc/self/ns/net'))"))
    assert task.end().success
    assert task.output.of("stdout") == [str(Path("/proc/self/ns/net").readlink())]


def test_a_port_that_is_taken(start: Start, attempts: Attempts) -> None:
    """It is told at once, and the next start succeeds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortTaken, match=str(port)):
            start(("true",), info={"ports": {"web": port}})
    assert not attempts.processes_of(attempts.last)
    assert start(("true",), info={"ports": {"web": port}}).end().success
