"""What goes on, and for how long, after a worker was killed that does not come back."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from iris_api.context import Context
from iris_api.platform import ExitKind
from iris_api.testing import wait_for_condition
from iris_backends.process import ProcessConfig, ProcessPlatform
from tests.backends.support import KeptOutput, KilledWorker, Started, is_alive, parent_of

GRACE = 1.0
STAY = "echo $$; exec sleep 600"
STUBBORN = "trap '' TERM; echo $$; while :; do sleep 0.05; done"


@pytest.fixture
def port() -> int:
    """Where the controller is, if it is there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def controller(port: int) -> Iterator[None]:
    """As far as a supervisor can see: somebody listens."""
    with socket.create_server(("127.0.0.1", port)):
        yield


def left_alone(directory: Path, port: int, code: str = STAY, absence: float = 600.0) -> int:
    """The process of a task whose worker was killed just now."""
    lease = {"grace": GRACE, "absence": absence}
    address = f"http://127.0.0.1:{port}"
    worker = KilledWorker(directory / "sandboxes", directory, code, lease=lease, controller_address=address)
    return int(worker.first_line)


@contextmanager
def next_worker(directory: Path) -> Iterator[Started]:
    """It adopts the task."""
    platform = ProcessPlatform(ProcessConfig(), Context(directory=directory / "sandboxes"))
    sinks: dict[str, KeptOutput] = {}
    (sandbox,) = platform.runtime.adopt(lambda uid: sinks.setdefault(uid, KeptOutput()))
    try:
        yield Started(sandbox, sinks[sandbox.uid])
    finally:
        platform.close()


def seconds_until_gone(pid: int) -> float:
    began = time.monotonic()
    wait_for_condition(lambda: not is_alive(pid), timeout=20, message="the end of what was left alone")
    return time.monotonic() - began


def stays(pid: int, seconds: float) -> None:
    """It lives on for as long as that."""
    until = time.monotonic() + seconds
    wait_for_condition(lambda: not is_alive(pid) or time.monotonic() > until, timeout=20)
    assert is_alive(pid)


@pytest.mark.parametrize("code", [STAY, STUBBORN], ids=["sleeps", "ignores SIGTERM"])
def test_it_ends_after_the_grace_while_the_controller_is_there(tmp_path: Path, port: int, code: str) -> None:
    """By then the controller has given it away. The next worker is told why it ended."""
    with controller(port):
        pid = left_alone(tmp_path, port, code)
        assert GRACE - 0.2 < seconds_until_gone(pid) < GRACE + 5
        wait_for_condition(lambda: list((tmp_path / "sandboxes").glob("*/exit")), message="the exit record")
    with next_worker(tmp_path) as task:
        end = task.end()
    assert (end.kind, end.stopped) == (ExitKind.SIGNALED, True)
    assert end.message == "its worker was gone for 1 s"


def test_it_goes_on_while_the_controller_is_away_too(tmp_path: Path, port: int) -> None:
    """Until the absence is over: the machine may have been restarted as a whole."""
    pid = left_alone(tmp_path, port, absence=3.0)
    assert 3 * GRACE - 0.2 < seconds_until_gone(pid) < 3 * GRACE + 5


def test_a_controller_that_comes_back_first_leaves_the_worker_its_time(tmp_path: Path, port: int) -> None:
    """The grace begins anew, as it does at the controller."""
    pid = left_alone(tmp_path, port)
    stays(pid, 2 * GRACE)
    with controller(port):
        stays(pid, GRACE * 0.5)
        seconds_until_gone(pid)


def test_a_worker_that_comes_back_stops_the_clock(tmp_path: Path, port: int) -> None:
    """And one that goes again, in good order or not, starts it."""
    with controller(port):
        pid = left_alone(tmp_path, port)
        with next_worker(tmp_path) as task:
            stays(pid, 2.5 * GRACE)
            assert task.sandbox.wait(0) is None
        assert GRACE - 0.2 < seconds_until_gone(pid) < GRACE + 5


def test_without_a_lease_it_goes_on(tmp_path: Path, port: int) -> None:
    with controller(port):
        pid = int(KilledWorker(tmp_path / "sandboxes", tmp_path, STAY).first_line)
        stays(pid, 2 * GRACE)
    with next_worker(tmp_path) as task:
        task.sandbox.stop(0)
        task.end()


DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print(os.getpid(), os.getppid(), flush=True)
        time.sleep(600)
    os._exit(0)
os.wait()
time.sleep(600)
"""
BARE = "env -i sleep 600 & echo $! $$; sleep 600"  # nothing in its environment says whose it is


@pytest.mark.parametrize("code", [f"exec python3 -c '{DAEMON}'", BARE], ids=["daemon", "no environment"])
def test_nothing_of_a_supervisor_that_was_killed_stays(tmp_path: Path, code: str) -> None:
    """Its worker finds what had left the group, or has nothing in its environment that says whose it is."""
    platform = ProcessPlatform(ProcessConfig(), Context(directory=tmp_path / "sandboxes"))
    from tests.backends.support import start

    task = start(platform.runtime, tmp_path / "work", ("/bin/sh", "-c", code))
    child = int(task.line().split()[0])
    (owner,) = (tmp_path / "sandboxes").glob("*/owner")
    os.kill(int(owner.read_text().split()[0]), signal.SIGKILL)
    assert task.end().kind is ExitKind.UNKNOWN
    assert not is_alive(child)
    platform.close()


def test_supervisor_and_worker_killed_together(tmp_path: Path) -> None:
    """The next worker ends the daemon that the task has left."""
    code = f"exec python3 -c '{DAEMON}'"
    worker = KilledWorker(tmp_path / "sandboxes", tmp_path, code)
    daemon = int(worker.first_line.split()[0])
    (owner,) = (tmp_path / "sandboxes").glob("*/owner")
    os.kill(int(owner.read_text().split()[0]), signal.SIGKILL)
    stays(daemon, 0.3)
    with next_worker(tmp_path) as task:
        assert task.end().kind is ExitKind.UNKNOWN
    assert not is_alive(daemon)


def test_what_belongs_to_no_attempt_that_is_known_is_ended(tmp_path: Path) -> None:
    """A process of an attempt whose folder is gone; one of another runtime is left alone."""
    worker = KilledWorker(tmp_path / "sandboxes", tmp_path, STAY)
    other = KilledWorker(tmp_path / "others", tmp_path, STAY)
    (folder,) = (tmp_path / "sandboxes").iterdir()
    folder.rename(tmp_path / "gone")
    platform = ProcessPlatform(ProcessConfig(), Context(directory=tmp_path / "sandboxes"))
    assert list(platform.runtime.adopt(lambda uid: KeptOutput())) == []
    platform.close()
    assert not is_alive(int(worker.first_line))
    assert is_alive(int(other.first_line))
    os.kill(parent_of(int(other.first_line)), signal.SIGKILL)


def test_a_runtime_that_keeps_nothing_leaves_no_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tasks end with the worker, and with the last of them what it had in the temporary directory."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    (tmp_path / "tmp").mkdir()
    pid = int(KilledWorker("", tmp_path / "work", STAY).first_line)
    seconds_until_gone(pid)
    wait_for_condition(lambda: not list((tmp_path / "tmp").iterdir()), message="the directory to be gone")


def test_the_next_process_removes_what_a_killed_one_has_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not what belongs to one that lives, or to somebody else."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    from iris_api.temporary import make_directory

    own = make_directory("sandboxes")
    (tmp_path / f"iris-cluster-{os.getpid()}-1-dead").mkdir()
    (tmp_path / "iris-notes").mkdir()
    newer = make_directory("cluster")
    assert sorted(tmp_path.iterdir()) == sorted([own, newer, tmp_path / "iris-notes"])
