"""Clients that are slow, rude or many, and processes that run out of file descriptors."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from iris.cluster.types import CauseKind, JobState
from iris_api.testing import wait_for_condition
from iris_api.threads import ThreadContainer
from tests.chaos.trio import LIMIT, SOON, Trio, trio
from tests.rigs.program import Program

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

BUSY = 0.5  # share of a processor that is too much for waiting
HEAD = 10.0  # seconds that the head of a request may take


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Trio]:
    with trio(tmp_path, settings="worker_grace = 6\n", workers=("one",)) as made:
        yield made


def open_files(program: Program) -> int:
    return len(list(Path(f"/proc/{program.pid}/fd").iterdir()))


def limit_files(program: Program, spare: int) -> None:
    """From now on it can open so many more."""
    _, hard = resource.prlimit(program.pid, resource.RLIMIT_NOFILE)
    highest = max(int(path.name) for path in Path(f"/proc/{program.pid}/fd").iterdir())
    resource.prlimit(program.pid, resource.RLIMIT_NOFILE, (highest + 1 + spare, hard))


def unlimit_files(program: Program) -> None:
    _, hard = resource.prlimit(program.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(program.pid, resource.RLIMIT_NOFILE, (hard, hard))


@contextlib.contextmanager
def connections(cluster: Trio, count: int, head: bytes) -> Iterator[list[socket.socket]]:
    """So many clients, each of which has sent `head` and nothing more."""
    with contextlib.ExitStack() as stack:
        made = []
        for _ in range(count):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", cluster.site.port), 5.0))
            with contextlib.suppress(OSError):  # closed by a server that has no room
                sock.sendall(head)
            made.append(sock)
        yield made


def check_all_is_well(cluster: Trio) -> None:
    wait_for_condition(lambda: cluster.site.health()[0] == 200, LIMIT, message="health")
    wait_for_condition(lambda: not cluster.lost(), LIMIT, message="no worker lost")
    job = cluster.client.submit(name="later", entrypoint=cluster.folder.script("echo here"))
    job.wait(timeout=LIMIT)
    assert cluster.lines(job) == ["here"]


def test_a_controller_without_file_descriptors(cluster: Trio) -> None:
    """Clients that say nothing have taken all: it does not spin, takes them back when the time for a head is
    over, though nobody hangs up, and goes on; whoever was connected has not noticed."""
    job = cluster.counting()
    limit_files(cluster.controller, 15)
    with connections(cluster, 80, b"GET /heal"):
        assert cluster.controller.quiet_for(3.0) < BUSY
        wait_for_condition(lambda: cluster.site.health()[0] == 200, HEAD + LIMIT, message="health")
        check_all_is_well(cluster)
    assert len(cluster.attempts(job)) == 1
    cluster.finish(job)
    cluster.end()


@pytest.mark.chaos
def test_a_worker_without_file_descriptors(cluster: Trio) -> None:
    """What it cannot start is its environment's fault; what runs goes on, and so does the worker."""
    job = cluster.counting()
    worker = cluster.workers["one"]
    limit_files(worker, 0)
    failed = cluster.client.submit(
        name="cannot", entrypoint=cluster.folder.script("true"), max_retries_preemption=0
    )
    cause = failed.wait(timeout=LIMIT, raise_on_failure=False).cause
    assert cause is not None
    assert cause.kind is CauseKind.ENVIRONMENT, cause
    assert "Too many open files" in cause.message
    assert worker.quiet_for(2.0) < BUSY
    unlimit_files(worker)
    check_all_is_well(cluster)
    live = {cluster.attempts(job)[0].uid}
    wait_for_condition(lambda: cluster.site.attempt_folders().keys() <= live, 2 * SOON)
    assert len(cluster.attempts(job)) == 1
    cluster.finish(job)
    cluster.end()


def latencies(cluster: Trio, count: int) -> list[float]:
    """Seconds that a good client waits for an answer, sorted."""
    found = []
    for _ in range(count):
        began = time.monotonic()
        cluster.client.list_workers()
        found.append(time.monotonic() - began)
    return sorted(found)


def resident(program: Program) -> int:
    pages = int(Path(f"/proc/{program.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def dribble(sockets: list[socket.socket], stop: threading.Event) -> None:
    """A byte of a header, now and then."""
    while not stop.wait(0.2):
        for sock in sockets:
            with contextlib.suppress(OSError):  # it was cut off
                sock.send(b"x")


@pytest.mark.chaos
def test_slow_clients(cluster: Trio, threads: ThreadContainer) -> None:
    """Five hundred that are idle, fifty that dribble, fifty that ask and never read: others are served, and
    nothing of it is kept."""
    job = cluster.counting()
    before, size = open_files(cluster.controller), resident(cluster.controller)
    asks = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n" * 400
    with (
        connections(cluster, 500, b""),
        connections(cluster, 50, b"GET /health HTTP/1.1\r\nx-long: ") as slow,
        connections(cluster, 50, asks),
    ):
        dribbling = threads.spawn(lambda stop: dribble(slow, stop), "dribbles")
        found = latencies(cluster, 200)
        assert found[197] < 0.5, found[-5:]
        assert resident(cluster.controller) - size < 60 * 2**20
        check_all_is_well(cluster)
        assert cluster.controller.quiet_for(2.0) < BUSY
        dribbling.stop(5.0)
    wait_for_condition(lambda: open_files(cluster.controller) <= before + 3, LIMIT)
    assert len(cluster.attempts(job)) == 1
    cluster.finish(job)
    assert job.state is JobState.SUCCEEDED
    cluster.end()
