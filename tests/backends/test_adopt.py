"""A worker process that is killed, and the runtime of the next one on the same directory."""

from __future__ import annotations

import errno
import itertools
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from iris_api.context import Context
from iris_api.errors import PlatformError
from iris_api.platform import ExitKind
from iris_api.supervised._files import start_time
from iris_api.supervised.watcher import Watcher
from iris_api.testing import wait_for_condition
from iris_backends.process import ProcessConfig, ProcessPlatform
from tests.backends.support import KeptOutput, KilledWorker, Started, is_alive, parent_of, start


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[ProcessPlatform]:
    """The next worker's; `adopt` is called by the test."""
    platform = ProcessPlatform(ProcessConfig(), Context(directory=tmp_path / "sandboxes"))
    yield platform
    platform.close()


def adopted(platform: ProcessPlatform) -> Started:
    sinks: dict[str, KeptOutput] = {}
    (sandbox,) = platform.runtime.adopt(lambda uid: sinks.setdefault(uid, KeptOutput()))
    return Started(sandbox, sinks[sandbox.uid])


def test_supervisor_killed_while_no_worker_was_there(platform: ProcessPlatform, tmp_path: Path) -> None:
    """The end is unknown, and what the task left in a session of its own is found by its environment."""
    code = "setsid sleep 600 & echo $! $$; sleep 600"
    pids = [int(pid) for pid in KilledWorker(tmp_path / "sandboxes", tmp_path, code).first_line.split()]
    os.kill(parent_of(pids[1]), signal.SIGKILL)
    wait_for_condition(lambda: not is_alive(pids[1]), message="the task's end with its supervisor")
    assert adopted(platform).end().kind is ExitKind.UNKNOWN
    assert not is_alive(pids[0])


def test_pid_that_is_somebody_elses_now_is_not_touched(platform: ProcessPlatform, tmp_path: Path) -> None:
    """The id of the supervisor with another start time is another process."""
    KilledWorker(tmp_path / "sandboxes", tmp_path, "echo x; exit 0")
    wait_for_condition(lambda: list((tmp_path / "sandboxes").glob("*/exit")), message="the exit record")
    (folder,) = (tmp_path / "sandboxes").iterdir()
    with subprocess.Popen(["sleep", "600"]) as other:
        (folder / "owner").write_text(f"{other.pid} 1")
        (folder / "exit").unlink()
        task = adopted(platform)
        task.sandbox.stop(0)
        assert task.end().kind is ExitKind.UNKNOWN
        assert other.poll() is None
        other.kill()


def test_supervisor_that_ends_while_it_is_adopted(
    platform: ProcessPlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end is seen by another thread before adopting is through."""
    KilledWorker(tmp_path / "sandboxes", tmp_path, "echo x; exit 6")
    wait_for_condition(lambda: list((tmp_path / "sandboxes").glob("*/exit")), message="the exit record")
    add = Watcher.add

    def add_and_be_overtaken(watcher: Watcher, fd: int, callback: Callable[[], None]) -> None:
        add(watcher, fd, callback)
        if callback.__name__ == "_finish_if_ended":
            wait_for_condition(lambda: fd not in watcher._callbacks, message="the end to be seen")

    with subprocess.Popen(["true"]) as ended:  # a supervisor that has ended and that nobody has collected
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        (folder,) = (tmp_path / "sandboxes").iterdir()
        (folder / "owner").write_text(f"{ended.pid} {start_time(ended.pid)}")
        monkeypatch.setattr(Watcher, "add", add_and_be_overtaken)
        assert adopted(platform).end().code == 6


def test_what_is_not_whole_is_no_attempt(platform: ProcessPlatform, tmp_path: Path) -> None:
    """A folder without its files is removed, and what is whole beside it is adopted."""
    KilledWorker(tmp_path / "sandboxes", tmp_path, "echo x; exit 6")
    (tmp_path / "sandboxes" / "0123456789abcdef").mkdir()
    assert adopted(platform).end().code == 6
    assert not (tmp_path / "sandboxes" / "0123456789abcdef").exists()


def test_leftover_of_a_removal_is_no_attempt(platform: ProcessPlatform, tmp_path: Path) -> None:
    (tmp_path / "sandboxes" / ".0123").mkdir(parents=True)
    assert list(platform.runtime.adopt(lambda uid: KeptOutput())) == []
    assert list((tmp_path / "sandboxes").iterdir()) == []


def test_a_folder_that_is_not_whole_does_not_keep_the_others(
    platform: ProcessPlatform, tmp_path: Path
) -> None:
    """It is ended: its worker was killed while it made it, or somebody has been there."""
    worker = KilledWorker(tmp_path / "sandboxes", tmp_path, "echo ready; sleep 600")
    broken = KilledWorker(tmp_path / "sandboxes", tmp_path, "echo $$; sleep 600")
    folders = (tmp_path / "sandboxes").iterdir()
    (folder,) = (path for path in folders if _supervisor(path) == parent_of(int(broken.first_line)))
    (folder / "control").unlink()
    (tmp_path / "sandboxes" / "0123456789abcdef").mkdir()
    task = adopted(platform)
    assert task.line() == worker.first_line == "ready"
    wait_for_condition(lambda: not is_alive(int(broken.first_line)), message="the end of the broken one")
    assert [path.name for path in (tmp_path / "sandboxes").iterdir()] == [task.sandbox.uid]
    task.sandbox.stop(0)
    task.end()


def _supervisor(folder: Path) -> int:
    """Its process id."""
    return int((folder / "owner").read_text().split()[0])


def test_a_folder_is_whole_or_not_there(
    platform: ProcessPlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever fails on the way."""
    calls = itertools.count()

    def mkfifo(path: Path, mode: int) -> None:
        if next(calls) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        make(path, mode)

    make = os.mkfifo
    monkeypatch.setattr(os, "mkfifo", mkfifo)
    with pytest.raises(PlatformError, match="No space left on device"):
        start(platform.runtime, tmp_path / "work", ("true",))
    assert list((tmp_path / "sandboxes").iterdir()) == []


def test_without_a_directory_tasks_end_with_the_worker(tmp_path: Path) -> None:
    """Nobody could adopt them."""
    pid = int(KilledWorker("", tmp_path, "trap '' TERM; echo $$; while :; do sleep 0.05; done").first_line)
    wait_for_condition(lambda: not is_alive(pid), message="the task's end after its worker's")


def test_close_leaves_tasks_to_the_next_worker(platform: ProcessPlatform, tmp_path: Path) -> None:
    """An orderly end of the runtime object is no end of what runs."""
    first = ProcessPlatform(ProcessConfig(), Context(directory=tmp_path / "sandboxes"))
    started = start(first.runtime, tmp_path / "work", ("/bin/sh", "-c", "echo ready; sleep 600"))
    started.line()
    first.close()
    task = adopted(platform)
    assert task.line() == "ready"
    task.sandbox.stop(0)
    assert task.end().stopped
