"""Every wait ends by its deadline, and says what it waited for and what it last saw: against no controller,
one that accepts and never answers, and one that goes in the middle."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import iris.client.connection as connection
from iris.actor import ActorClient, ActorPool, ActorServer
from iris.client import ControllerUnreachable, IrisClient, WaitTimeout, WorkerPool, WorkerPoolConfig
from iris.client.resolver import ClusterResolver
from iris.cluster.types import Entrypoint
from iris_actor.errors import ActorUnavailable
from iris_actor.registry import EndpointRegistry
from iris_api.errors import TransportError
from iris_api.ids import JobId
from iris_api.job_info import JobInfo, job_info_scope
from iris_api.testing import wait_for_condition
from iris_api.threads import ThreadRegistry
from tests.cluster.conftest import Up

TIMEOUT = 1.0
SLACK = 2.5  # seconds: for an answer after the caller's own deadline, and a busy machine


@pytest.fixture(params=["nobody", "mute"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """Of a controller that is not there, or whose machine accepts connections and never answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        if request.param == "mute":
            probe.listen(100)
            yield f"http://127.0.0.1:{probe.getsockname()[1]}"
            return
        port = probe.getsockname()[1]
    yield f"http://127.0.0.1:{port}"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a caller cannot set takes a second instead of five, ten or sixty."""
    for name in ("FIRST_CONTACT", "FIRST_ANSWER", "ANSWER", "GAP"):
        monkeypatch.setattr(connection, name, TIMEOUT)


def resolver(address: str) -> ClusterResolver:
    return ClusterResolver(address, job="root")


def future_of(address: str) -> Any:
    return ActorClient(resolver(address), "calc", timeout=TIMEOUT).add.remote(1, 2)


GIVEN: dict[str, tuple[Callable[[str], Any], type[Exception], str]] = {
    "Job.wait": (
        lambda address: IrisClient.remote(address).job("some-job").wait(timeout=TIMEOUT),
        ControllerUnreachable,
        r"waiting for job some-job: the controller at http://\S+ does not answer \(tried for \d.*"
        r"it was not seen before",
    ),
    "Job.wait with logs": (
        lambda address: IrisClient.remote(address).job("some-job").wait(timeout=TIMEOUT, stream_logs=True),
        ControllerUnreachable,
        "does not answer",
    ),
    "an actor call": (
        lambda address: ActorClient(resolver(address), "calc", timeout=TIMEOUT).add(1, 2),
        ActorUnavailable,
        r"calc.add: nobody took the call within \d.* s; last seen: the resolver failed: http",
    ),
    "an actor future": (
        lambda address: future_of(address).result(),
        ActorUnavailable,
        r"calc.add: nobody took the call within \d.* s; last seen: the resolver failed: http",
    ),
    "the size of a pool": (
        lambda address: ActorPool(resolver(address), "calc").wait_for_size(2, timeout=TIMEOUT),
        ActorUnavailable,
        "pool 'calc' did not reach size 2 within 1 s; it last was 0: the resolver failed",
    ),
    "a name": (
        lambda address: resolver(address).resolve_within("calc", TIMEOUT),
        TransportError,
        "Endpoints/List: (cannot connect|no reply within)",
    ),
}
OWN: dict[str, Callable[[IrisClient], Any]] = {
    "submit": lambda client: client.submit(name="x", entrypoint=Entrypoint.from_command("true")),
    "status": lambda client: client.status("x"),
    "list_jobs": lambda client: client.list_jobs(),
    "list_workers": lambda client: client.list_workers(),
    "terminate": lambda client: client.terminate("x"),
    "logs": lambda client: list(client.job("x").tasks()[0].logs()),
    "WorkerPool": lambda client: WorkerPool(client, WorkerPoolConfig()),
}


def seconds(wait: Callable[[], Any], error: type[Exception], match: str) -> float:
    """How long it took to fail so."""
    began = time.monotonic()
    with pytest.raises(error, match=match):
        wait()
    return time.monotonic() - began


@pytest.mark.parametrize("what", GIVEN)
def test_a_wait_with_a_timeout(address: str, what: str) -> None:
    """Ends by it."""
    wait, error, match = GIVEN[what]
    assert seconds(lambda: wait(address), error, match) < TIMEOUT + SLACK


@pytest.mark.parametrize("what", OWN)
def test_a_call_that_takes_no_timeout(impatient: None, address: str, what: str) -> None:
    """Has one of its own."""
    client = IrisClient.remote(address)
    took = seconds(lambda: OWN[what](client), ControllerUnreachable, f"{address} does not answer")
    assert took < TIMEOUT + SLACK


def test_a_call_that_does_not_wait(address: str) -> None:
    """Is back soon, also where it is not known who has the name."""
    began = time.monotonic()
    future = ActorClient(resolver(address), "calc", timeout=4.0).add.remote(1, 2)
    assert time.monotonic() - began < 2.5
    with pytest.raises(ActorUnavailable):
        future.result()


def test_stop_of_a_server_whose_name_is_being_registered(
    address: str, thread_registry: ThreadRegistry
) -> None:
    """It ends that: who waits for the registration is told."""
    info = JobInfo(job_id=JobId("root"), attempt_uid="a", controller_address=address)
    server = ActorServer()
    server.register("calc", object())
    told: list[BaseException] = []

    def serve() -> None:
        with job_info_scope(info), pytest.raises(TransportError) as caught:
            server.serve_background()
        told.append(caught.value)

    thread = thread_registry.container.spawn(lambda _stop: serve(), "serve")
    wait_for_condition(lambda: server._up is not None)
    began = time.monotonic()
    server.stop(timeout=TIMEOUT)
    assert time.monotonic() - began < TIMEOUT + SLACK
    thread.join(TIMEOUT + SLACK)
    assert "Endpoints/Register" in str(told[0])


def test_close_of_a_registry_that_is_registering(address: str, thread_registry: ThreadRegistry) -> None:
    registry = EndpointRegistry(address)
    executor = thread_registry.container.spawn_executor(1, "register")
    waiting = executor.submit(registry.register, "calc", "http://127.0.0.1:1")
    wait_for_condition(waiting.running)
    registry.close(TIMEOUT)
    assert isinstance(waiting.exception(TIMEOUT + SLACK), TransportError)


@pytest.mark.slow
def test_commands(address: str, tmp_path: Path) -> None:
    """Each ends by itself with one line that says why; side by side, since a mute controller gets 10 s."""
    commands = [["jobs"], ["job", "x"], ["logs", "x"], ["stop", "x"], ["workers"], ["run", "--", "true"]]
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "iris", argv[0], "--controller", address, *argv[1:]],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
        for argv in commands
    ]
    for process in running:
        _, said = process.communicate(timeout=40)
        assert process.returncode == 2
        assert f"iris: the controller at {address} does not answer (tried for " in said
        assert len(said.splitlines()) == 1


@pytest.fixture
def up(tmp_path: Path, own_state: Path) -> Iterator[Up]:
    """A cluster that can be killed; it is started again at the end, to end what it left."""
    cluster = Up(tmp_path)
    cluster.start()
    yield cluster
    cluster.clean_up()


def whole_log(client: IrisClient, job_id: str) -> None:
    for _ in client.job(job_id).tasks()[0].logs(follow=True):
        continue


def test_a_controller_that_dies_in_the_middle(
    impatient: None, up: Up, thread_registry: ThreadRegistry
) -> None:
    """Whoever waits is told, with what was seen last."""
    client = IrisClient.remote(up.address)
    job = client.submit(name="stays", entrypoint=Entrypoint.from_command("sleep", "600"))
    wait_for_condition(lambda: job.state == "RUNNING", timeout=20)
    size = ActorPool(client.resolver(job), "calc").wait_for_size
    call = ActorClient(client.resolver(job), "calc", timeout=3.0)
    waits = [
        (lambda: job.wait(timeout=3.0), ControllerUnreachable, "no longer answers .* last seen RUNNING"),
        (lambda: whole_log(client, job.job_id), ControllerUnreachable, "no longer answers"),
        (lambda: size(1, timeout=3.0), ActorUnavailable, "did not reach size 1 within 3 s"),
        (lambda: call.add(1, 2), ActorUnavailable, "nobody took the call within"),
    ]
    executor = thread_registry.container.spawn_executor(len(waits), "waits")
    waiting = [executor.submit(seconds, wait, error, match) for wait, error, match in waits]
    wait_for_condition(lambda: all(future.running() for future in waiting))
    assert job.state == "RUNNING"  # by now the others have asked, too
    up.kill()
    for future in waiting:
        assert future.result(20) < 3.0 + SLACK


def test_a_controller_that_freezes(impatient: None, up: Up) -> None:
    """As one whose machine is suspended: the deadline holds, and it goes on when the controller does."""
    client = IrisClient.remote(up.address)
    job = client.submit(name="stays", entrypoint=Entrypoint.from_command("sleep", "600"))
    wait_for_condition(lambda: job.state == "RUNNING", timeout=20)
    with pytest.raises(WaitTimeout, match=r"has not ended within 0\.2 s: RUNNING"):
        job.wait(timeout=0.2)
    os.kill(up.pid, signal.SIGSTOP)
    try:
        took = seconds(lambda: job.wait(timeout=TIMEOUT), ControllerUnreachable, f"job {job.job_id}: the")
    finally:
        os.kill(up.pid, signal.SIGCONT)
    assert took < TIMEOUT + SLACK
    job.terminate()
    assert job.wait(timeout=20, raise_on_failure=False).state == "KILLED"


def test_a_pool_whose_controller_dies(impatient: None, up: Up, tmp_path: Path) -> None:
    """Its calls fail, and it can be shut down."""
    pool = WorkerPool(IrisClient.remote(up.address), WorkerPoolConfig())
    assert pool.submit(len, "abc").result(20) == 3
    waits = pool.submit(time.sleep, 600)
    waits_too = pool.submit(len, "abc")
    os.kill(up.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        pool.shutdown(wait=False)
        assert time.monotonic() - began < 10
    finally:
        os.kill(up.pid, signal.SIGCONT)
    assert waits.done()
    assert waits_too.done()
