"""What users get wrong, and what goes wrong under them: one clear error, in time."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from iris.client import (
    AccessDenied,
    ControllerUnreachable,
    IrisClient,
    VersionMismatch,
    WorkerPool,
    WorkerPoolConfig,
)
from iris.client import connection as client_connection
from iris.cluster.types import Entrypoint
from iris.managed_thread import get_thread_registry
from iris_api.errors import Refused, UnpicklableError
from iris_api.rpc import cluster_pb2 as pb
from iris_api.rpc import http as rpc_http
from iris_api.rpc import version
from iris_api.rpc.client import RpcClient
from tests.cluster.conftest import Up
from tests.cluster.kit import LIMIT, heard, tell

MAIN = """
import sys
from iris.client import IrisClient
from iris.cluster.types import Entrypoint

FACTOR = 2

class Doubler:
    def __call__(self, number):
        return FACTOR * number

def helper(number):
    return Doubler()(number)

def task(number, path):
    with open(path, "w") as file:
        file.write(f"{helper(number)} {__name__}")

if __name__ == "__main__":
    with IrisClient.local(sys.argv[1]) as client:
        entrypoint = Entrypoint.from_callable(task, 21, sys.argv[2])
        client.submit(name="from-main", entrypoint=entrypoint).wait(timeout=20)
"""


def run_python(*argv: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *argv],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        env=dict(os.environ),
    )


@pytest.mark.parametrize("typed", [False, True])
def test_a_callable_of_main(runtime: str, tmp_path: Path, typed: bool) -> None:
    """It travels by value with what it uses, from a script and from what is typed in."""
    answer = tmp_path / "answer"
    script = tmp_path / "script.py"
    script.write_text(MAIN)
    ran = (
        run_python("-", runtime, str(answer), stdin=MAIN)
        if typed
        else run_python(str(script), runtime, str(answer))
    )
    assert ran.returncode == 0, ran.stderr
    assert answer.read_text().startswith("42 ")


def test_what_cannot_be_pickled_is_named_at_submit(client: IrisClient) -> None:
    """And no job is made."""
    lock = threading.Lock()

    def task() -> None:
        lock.acquire()

    with pytest.raises(UnpicklableError, match=r"captured variable 'lock' \(lock\)"):
        client.submit(name="locked", entrypoint=Entrypoint.from_callable(task))
    with WorkerPool(client, WorkerPoolConfig(num_workers=1)) as pool, pytest.raises(UnpicklableError):
        pool.submit(print, lock)
    assert [status.name.partition("-")[0] for status in client.list_jobs()] == ["pool"]


def test_a_wrong_token(processes: IrisClient) -> None:
    """Refused at once, and the token does not stand in the error."""
    began = time.monotonic()
    with pytest.raises(AccessDenied, match="wrong token") as caught:
        IrisClient.remote(processes.address, token="guessed").list_jobs()
    assert time.monotonic() - began < 2
    assert "guessed" not in str(caught.value)


def test_no_token(processes: IrisClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Another user of this machine has no note of the token."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(AccessDenied, match="token"):
        IrisClient.remote(processes.address).submit(name="x", entrypoint=Entrypoint.from_command("true"))


def test_a_wrong_token_with_a_workspace(processes: IrisClient, tmp_path: Path) -> None:
    """The way of the bundle has the same gate and the same error."""
    (tmp_path / "file").touch()
    stranger = IrisClient.remote(processes.address, workspace=tmp_path, token="guessed")
    with pytest.raises(AccessDenied, match="token"):
        stranger.submit(name="x", entrypoint=Entrypoint.from_command("true"))


def test_another_version_with_a_workspace(up: Up, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not only the jobs, their files are refused too."""
    monkeypatch.setattr(version, "VERSION", "0.99.0")
    (tmp_path / "file").touch()
    with pytest.raises(VersionMismatch, match="version"):
        IrisClient.remote(up.address, workspace=tmp_path).submit(
            name="x", entrypoint=Entrypoint.from_command("true")
        )


def test_another_version(processes: IrisClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused at once, naming both."""
    monkeypatch.setattr(rpc_http, "VERSION", "0.99.0")
    token = processes.connection.token
    began = time.monotonic()
    with pytest.raises(VersionMismatch, match=r"0\.99\.0.*0\.1\.0"):
        client_connection.Connection(processes.address, token).call(
            "Controller", "ListJobs", pb.ListJobsRequest(), pb.ListJobsReply
        )
    rpc = RpcClient(processes.address, token)
    with pytest.raises(Refused, match=r"0\.99\.0") as caught:
        rpc.call("/iris.cluster.v1.Workers/Reconcile", pb.ReconcileRequest(), pb.ReconcileReply)
    rpc.close()
    assert caught.value.code == "unimplemented"
    assert time.monotonic() - began < 2


def test_nobody_at_the_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Tried for a bounded while, with and without a workspace; the error names the address."""
    monkeypatch.setattr(client_connection, "FIRST_CONTACT", 0.5)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{probe.getsockname()[1]}"
    began = time.monotonic()
    with pytest.raises(ControllerUnreachable, match=f"{address} does not answer"):
        IrisClient.remote(address).list_jobs()
    with pytest.raises(ControllerUnreachable, match=address):
        IrisClient.remote(address, workspace=tmp_path).submit(
            name="x", entrypoint=Entrypoint.from_command("true")
        )
    assert time.monotonic() - began < 3


def test_who_hangs_up_at_the_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Something else that listens there is an error of the same kind."""
    monkeypatch.setattr(client_connection, "FIRST_CONTACT", 0.5)

    def hang_up(stop: threading.Event, server: socket.socket) -> None:
        server.settimeout(0.05)
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                server.accept()[0].close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        hanger = get_thread_registry().container.spawn(lambda stop: hang_up(stop, server), "hangs-up")
        client = IrisClient.remote(f"http://127.0.0.1:{server.getsockname()[1]}", workspace=tmp_path)
        with pytest.raises(ControllerUnreachable, match="does not answer"):
            client.list_jobs()
        with pytest.raises(ControllerUnreachable, match="workspace"):
            client.submit(name="x", entrypoint=Entrypoint.from_command("true"))
        hanger.stop(LIMIT)


def test_a_controller_that_dies_in_the_middle_of_a_wait(up: Up, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client goes on trying for its gap, then says so; it does not hang."""
    monkeypatch.setattr(client_connection, "GAP", 1.0)
    job = IrisClient.remote(up.address).submit(
        name="parks", entrypoint=Entrypoint.from_command("sleep", "60")
    )
    killer = threading.Timer(0.3, up.kill)
    killer.start()
    began = time.monotonic()
    with pytest.raises(ControllerUnreachable, match=f"{up.address} no longer answers"):
        job.wait(timeout=LIMIT)
    assert time.monotonic() - began < 4
    killer.join()


def test_a_task_whose_controller_dies_gets_the_error_too(up: Up, tmp_path: Path) -> None:
    """Its own calls are bounded as well, and it goes on."""

    def task() -> None:
        from iris.client import ControllerUnreachable, connection, iris_ctx

        connection.GAP = 0.5  # type: ignore[misc]
        ctx = iris_ctx()
        ctx.client.list_jobs()
        tell(tmp_path / "up", True)
        heard(tmp_path / "killed")
        try:
            ctx.client.list_jobs()
        except ControllerUnreachable as error:
            tell(tmp_path / "told", str(error))

    job = IrisClient.remote(up.address).submit(name="asks", entrypoint=Entrypoint.from_callable(task))
    heard(tmp_path / "up")
    up.kill()
    tell(tmp_path / "killed", True)
    assert "no longer answers" in heard(tmp_path / "told")
    up.start()
    job.wait(timeout=LIMIT)
