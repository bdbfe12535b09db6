"""Servers that die: noticed by the connection, at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from iris_actor.client import ActorClient
from iris_actor.pool import ActorPool
from iris_actor.resolvers.fixed import FixedResolver
from iris_api.errors import DeadlineExceeded, Lost
from iris_api.testing import wait_for_condition
from iris_api.threads import get_thread_registry

PROGRAM = """
import os, sys, time
from pathlib import Path
from iris_actor.server import ActorServer

class Actor:
    def pid(self):
        return os.getpid()

    def hang(self, mark):
        with open(mark, "a") as file:
            file.write("x")
        time.sleep(600)

server = ActorServer(port=int(sys.argv[1]))
server.register("actor", Actor())
server.serve_background()
print(server.address, flush=True)
sys.stdin.read()
"""


class Process:
    def __init__(self, port: int = 0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(port)],
            stdout=subprocess.PIPE,
            stdin=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        self.port = int(self.address.rpartition(":")[2])

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def process() -> Iterator[Process]:
    process = Process()
    yield process
    if process.process.returncode is None:
        process.kill()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_server_killed_during_a_call_is_lost_at_once(
    process: Process, tmp_path: Path, asynchronous: bool
) -> None:
    client = ActorClient(FixedResolver([process.address]), "actor", timeout=60)
    mark, caught, times = tmp_path / "mark", [], []

    def call(_: object) -> None:
        try:
            if asynchronous:
                client.hang.remote(str(mark)).result()
            else:
                client.hang(str(mark))
        except Lost as error:
            times.append(time.monotonic())
            caught.append(error)

    caller = get_thread_registry().container.spawn(call, "caller")
    wait_for_condition(mark.exists)
    killed = time.monotonic()
    os.kill(process.process.pid, signal.SIGKILL)
    assert caller.join(10)
    (error,) = caught
    assert not isinstance(error, DeadlineExceeded)
    assert process.address in str(error)
    assert times[0] - killed < 3
    assert mark.read_text() == "x"


def test_an_idempotent_call_is_repeated_at_the_next_server(process: Process, tmp_path: Path) -> None:
    client = ActorClient(FixedResolver([process.address]), "actor", timeout=30, idempotent=True)
    first = client.pid()
    assert first == process.process.pid
    process.kill()
    other = Process(process.port)
    assert client.pid() == other.process.pid
    other.kill()


def test_a_server_that_died_between_calls_costs_nothing_but_a_retry(process: Process) -> None:
    """Not idempotent: the connection is seen to be dead before anything is sent on it."""
    client = ActorClient(FixedResolver([process.address]), "actor", timeout=30)
    client.pid()
    client.pid.remote().result(10)
    process.kill()
    other = Process(process.port)
    assert client.pid() == other.process.pid
    assert client.pid.remote().result(10) == other.process.pid
    other.kill()


def test_a_pool_goes_on_without_the_dead(process: Process) -> None:
    other = Process()
    pool = ActorPool(FixedResolver([process.address, other.address]), "actor", timeout=30)
    assert {pool.call().pid() for _ in range(4)} == {process.process.pid, other.process.pid}
    process.kill()
    assert {pool.call().pid() for _ in range(4)} == {other.process.pid}
    results = pool.broadcast().pid().wait_all(10)
    assert [result.success for result in results] == [False, True]
    other.kill()
