"""A daemon that is killed, suspended and started again while tasks run."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from iris_api.platform import ExitKind, Runtime
from iris_api.testing import Installed, wait_for_condition
from iris_api.testing.conformance._tasks import Attempts, Task, marked_processes
from tests.docker.daemon import Daemon
from tests.docker.image import ensure_image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

# Two streams, with a number each 10 ms, until somebody says how to end.
_COUNTS = """
import os, sys, time
number = 0
while not os.path.exists("go"):
    print(number, flush=True)
    print(number, file=sys.stderr, flush=True)
    number += 1
    time.sleep(0.01)
print("last", number)
sys.exit(int(open("go").read()))
"""
_OBEYS = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
print("ready", flush=True)
signal.pause()
"""


_LOST = "[iris: ended while the Docker daemon was away, its output of that time is lost]"


class Site:
    """A daemon of the test's own, and tasks on it."""

    def __init__(self, daemon: Daemon, runtime: Runtime, attempts: Attempts) -> None:
        self.daemon, self._runtime, self._attempts = daemon, runtime, attempts

    def start(self, code: str) -> Task:
        return self._attempts.start(self._runtime, ("python3", "-c", code))


@pytest.fixture
def make_site(
    start_daemon: Callable[..., Daemon], installed: Callable[..., Installed], tmp_path: Path
) -> Iterator[Callable[..., Site]]:
    made: list[Attempts] = []

    def make(*flags: str) -> Site:
        daemon = start_daemon(*flags)
        client = daemon.client()
        image = ensure_image(client)
        client.close()
        runtime = installed("docker", image=image, host=daemon.url, network="none").runtime()
        made.append(Attempts(tmp_path / "work", lambda _: pytest.fail("no programs"), lambda _: [], 40.0))
        return Site(daemon, runtime, made[-1])

    yield make
    for attempts in made:
        attempts.clean()


def count(task: Task, source: str = "stdout") -> int:
    return len(task.output.of(source))


def wait_for_some(task: Task, more_than: int = 0) -> None:
    wait_for_condition(lambda: count(task) > more_than + 20, timeout=20, message="some output")


def end(task: Task, code: int) -> None:
    (task.workdir / "go").write_text(str(code))


def end_alone(task: Task, code: int, log: pytest.LogCaptureFixture) -> None:
    """While there is no daemon; it is looked for in vain since."""
    log.set_level(logging.DEBUG, "iris.runtime")
    end(task, code)
    wait_for_condition(lambda: not marked_processes(task.uid), message="the end of the task")
    log.clear()
    wait_for_condition(lambda: f"{task.uid}: " in log.text, message="a look for the daemon")


def assert_counted(task: Task, *, whole: bool) -> None:
    """Each number once and in order, in both streams."""
    numbers = [text for text in task.output.of("stdout") if text.isdigit()]
    errors = [text for text in task.output.of("stderr") if text.isdigit()]
    for found in (numbers, errors):
        assert found == [str(number) for number in range(len(found))]
    if whole:
        assert len(errors) == len(numbers)
        assert task.output.of("stdout")[-1] == f"last {len(numbers)}"


def test_with_live_restore_tasks_go_on_and_are_followed_on(
    make_site: Callable[..., Site], caplog: pytest.LogCaptureFixture
) -> None:
    """One that ends while no daemon is there keeps its end; what it prints then nobody has."""
    site = make_site("--live-restore")
    goes_on, ends = site.start(_COUNTS), site.start(_COUNTS)
    for task in (goes_on, ends):
        wait_for_some(task)
    site.daemon.kill()
    seen = count(goes_on)
    end_alone(ends, 7, caplog)
    site.daemon.start()
    assert ends.end().code == 7
    assert_counted(ends, whole=False)
    assert ends.output.of("stderr")[-1] == _LOST
    wait_for_some(goes_on, more_than=seen)
    end(goes_on, 3)
    exit_of = goes_on.end()
    assert (exit_of.kind, exit_of.code, exit_of.stopped) == (ExitKind.EXITED, 3, False)
    assert_counted(goes_on, whole=True)


def test_without_it_the_next_daemon_ends_them_and_that_is_nobodys_failure(
    make_site: Callable[..., Site], caplog: pytest.LogCaptureFixture
) -> None:
    """What had ended by itself meanwhile keeps its own end."""
    site = make_site()
    stopped, obeys, ends = site.start(_COUNTS), site.start(_OBEYS), site.start(_COUNTS)
    for task in (stopped, ends):
        wait_for_some(task)
    obeys.line()
    site.daemon.kill()
    seen = count(stopped)
    end_alone(ends, 7, caplog)
    site.daemon.start()
    for task in (stopped, obeys):
        told = task.end()
        assert (told.kind, told.stopped) == (ExitKind.UNKNOWN, False)
        assert "the Docker daemon was restarted" in told.message
    assert count(stopped) >= seen
    assert_counted(stopped, whole=False)
    assert ends.end().code == 7
    assert ends.output.of("stderr")[-1] == _LOST


def test_a_stop_waits_for_nobody_where_the_daemon_does_not_answer(make_site: Callable[..., Site]) -> None:
    site = make_site()
    task = site.start(_COUNTS)
    task.line()
    site.daemon.suspend()
    began = time.monotonic()
    task.sandbox.stop(0.5)
    task.sandbox.stop(0.2)
    task.sandbox.stop(0.1)
    assert time.monotonic() - began < 1
    assert task.sandbox.wait(1.0) is None
    site.daemon.resume()
    assert task.end().stopped
    assert_counted(task, whole=False)


def test_a_daemon_that_comes_and_goes(make_site: Callable[..., Site]) -> None:
    site = make_site("--live-restore")
    task = site.start(_COUNTS)
    for _ in range(3):
        seen = count(task)
        wait_for_some(task, more_than=seen)
        site.daemon.kill()
        site.daemon.start()
    end(task, 0)
    assert task.end().success
    assert_counted(task, whole=True)


def test_lines_of_a_daemon_in_another_zone(
    make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stamps them with its own time."""
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    site = make_site("--live-restore")
    monkeypatch.delenv("TZ")
    began = time.time()
    task = site.start(_COUNTS)
    wait_for_some(task)
    site.daemon.kill()
    site.daemon.start()
    end(task, 0)
    assert task.end().success
    assert_counted(task, whole=True)
    assert began - 1 < task.output.times[0] / 1e6 <= task.output.times[-1] / 1e6 < time.time() + 1
