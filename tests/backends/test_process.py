"""What the process runtime does beyond the kit, which is run in tests/kit/test_process.py."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from iris_api.context import Context
from iris_api.credentials import Token
from iris_api.errors import PlatformError
from iris_api.jobs import Entry, Entrypoint
from iris_api.platform import ExitKind, Runtime
from iris_api.testing import wait_for_condition
from iris_backends.process import ProcessConfig, ProcessPlatform
from tests.backends.support import KeptOutput, Started, is_alive, launch, open_files, parent_of, start

PYTHON = sys.executable


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    platform = ProcessPlatform(ProcessConfig(), Context(directory=tmp_path / "sandboxes"))
    yield platform.runtime
    platform.close()


@pytest.fixture
def work(tmp_path: Path) -> Path:
    path = tmp_path / "work"
    path.mkdir()
    return path


def script(code: str) -> tuple[str, ...]:
    return (PYTHON, "-c", code)


def shell(code: str) -> tuple[str, ...]:
    return ("/bin/sh", "-c", code)


# -- output


def test_lines_are_stamped_when_they_are_read(runtime: Runtime, work: Path) -> None:
    """Unix microseconds, never going back within a stream."""
    before = time.time_ns() // 1000
    task = start(runtime, work, shell("echo 1; sleep 0.4; echo 2"))
    task.end()
    first, second = task.sink.times
    assert before <= first <= second - 100_000 <= time.time_ns() // 1000


def test_output_is_live(runtime: Runtime, work: Path) -> None:
    """A line is there while the task runs, unbuffered."""
    task = start(runtime, work, script("print('ready'); import time; time.sleep(60)"))
    assert task.line() == "ready"
    assert task.sandbox.wait(0) is None
    task.sandbox.stop(0)
    task.end()


def test_output_over_the_limit_leaves_a_mark_and_the_last_lines(runtime: Runtime, work: Path) -> None:
    """The beginning and the end are kept, and how much is missing between."""
    task = start(runtime, work, script("for i in range(5000): print(f'line {i}')"), output_limit=8000)
    task.end()
    lines = task.sink.of("stdout")
    assert (lines[0], lines[-1]) == ("line 0", "line 4999")
    assert sum(len(line) + 1 for line in lines) <= 8000
    first, second = task.sink.of("stderr")
    assert first == "[iris: output truncated after 8000 bytes; its last lines follow at the end]"
    assert second == f"[iris: {5000 - len(lines)} lines dropped here]"


def test_very_long_line_is_split(runtime: Runtime, work: Path) -> None:
    """At 64 KiB, and not within a character."""
    task = start(runtime, work, script("print('a' + 'ä' * 100_000)"))
    task.end()
    lines = task.sink.of("stdout")
    assert "".join(lines) == "a" + "ä" * 100_000
    assert max(len(line.encode()) for line in lines) <= 64 * 1024


def test_invalid_utf8_is_replaced(runtime: Runtime, work: Path) -> None:
    task = start(runtime, work, shell(r"printf 'a\377b\n'"))
    task.end()
    assert task.sink.of("stdout") == ["a\ufffdb"]


# -- ends


def test_missing_command_is_the_users_failure(runtime: Runtime, work: Path) -> None:
    """As in a shell: code 127, and the sentence is both in the exit and in the output."""
    task = start(runtime, work, ("no-such-program", "x"))
    end = task.end()
    assert (end.kind, end.code) == (ExitKind.EXITED, 127)
    assert end.message == "cannot run no-such-program: No such file or directory"
    assert task.sink.of("stderr") == [f"iris: {end.message}"]


def test_callable(runtime: Runtime, work: Path) -> None:
    """It runs with its arguments in its working directory, which is importable."""
    (work / "beside.py").write_text("name = 'beside'")

    def call(word: str) -> None:
        import beside  # type: ignore[import-not-found]

        print(word, beside.name, Path.cwd())

    task = start(runtime, work, call, "hello")
    assert task.end().success, task.sink.entries
    assert task.sink.of("stdout") == [f"hello beside {work}"]


def test_callable_that_raises(runtime: Runtime, work: Path) -> None:
    """The traceback is on stderr without Iris's own frames; the exit has the exception's line."""

    def call() -> None:
        error = ValueError("boom")
        error.add_note("a note")
        raise error

    task = start(runtime, work, call)
    end = task.end()
    assert (end.kind, end.code, end.message) == (ExitKind.RAISED, 1, "ValueError: boom")
    lines = task.sink.of("stderr")
    assert (lines[0], lines[-2:]) == ("Traceback (most recent call last):", ["ValueError: boom", "a note"])
    assert not [line for line in lines if "_runner.py" in line]


def test_callable_of_another_python_is_refused(runtime: Runtime, work: Path) -> None:
    """Nothing of it runs, and both versions are named."""
    made = Entrypoint.from_callable(print, "ran").entry()
    sink = KeptOutput()
    sandbox = runtime.start(launch(work, Entry(call=made.call, python="3.9"), sink=sink))
    end = Started(sandbox, sink).end()
    assert end.kind is ExitKind.ENVIRONMENT
    assert "Python 3.9" in end.message
    assert f"Python {sys.version_info.major}.{sys.version_info.minor}" in end.message
    assert sink.of("stdout") == []


def test_callable_of_a_missing_module(runtime: Runtime, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module is named, with a hint."""
    (work.parent / "absent_module.py").write_text("def call(): pass")
    monkeypatch.syspath_prepend(work.parent)
    import absent_module  # type: ignore[import-not-found]

    end = start(runtime, work, absent_module.call).end()
    assert end.kind is ExitKind.RAISED
    assert "No module named 'absent_module'" in end.message
    assert "workspace" in end.message


def test_missing_interpreter_is_an_environment_fault(tmp_path: Path, work: Path) -> None:
    """What runs callables is the pool's affair, not the user's."""
    platform = ProcessPlatform(ProcessConfig(python="/no/python"), Context(directory=tmp_path / "sandboxes"))
    end = start(platform.runtime, work, print, "x").end()
    platform.close()
    assert (end.kind, end.message) == (
        ExitKind.ENVIRONMENT,
        "cannot run /no/python: No such file or directory",
    )


# -- the environment


def test_environment_is_the_jobs_over_a_few_of_the_workers(
    runtime: Runtime, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker's other variables stay its own; identity cannot be overridden."""
    monkeypatch.setenv("SECRET_OF_THE_WORKER", "x")
    monkeypatch.setenv("HOME", "/home/worker")
    env = {"MINE": "1", "IRIS_JOB_ID": "forged"}
    task = start(runtime, work, ("env",), env=env, ports={"actor": 1234})
    task.end()
    seen = dict(line.split("=", 1) for line in task.sink.of("stdout"))
    assert "SECRET_OF_THE_WORKER" not in seen
    assert (seen["HOME"], seen["MINE"], seen["IRIS_JOB_ID"]) == ("/home/worker", "1", "job")
    assert (seen["IRIS_PORT_ACTOR"], seen["PYTHONUNBUFFERED"]) == ("1234", "1")


def test_token_travels_in_a_private_file(runtime: Runtime, tmp_path: Path, work: Path) -> None:
    """Neither environment nor argv has it, and the file goes with the attempt."""
    code = "stat -c %a $IRIS_TOKEN_FILE; cat $IRIS_TOKEN_FILE; echo; echo $IRIS_TOKEN_FILE; env"
    task = start(runtime, work, shell(code), token=Token("t0ps3cret"))
    task.end()
    mode, token, path, *rest = task.sink.of("stdout")
    assert (mode, token) == ("600", "t0ps3cret")
    assert not [line for line in rest if "t0ps3cret" in line]
    assert not Path(path).exists()


def test_secrets_are_not_in_the_supervisors_argv_or_environment(runtime: Runtime, work: Path) -> None:
    task = start(
        runtime, work, shell("echo $PPID; sleep 60"), env={"KEY": "s3cret"}, token=Token("t0ps3cret")
    )
    process = Path(f"/proc/{task.line()}")
    assert b"s3cret" not in (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    task.sandbox.stop(0)
    task.end()


# -- stops


def test_stop_kills_after_the_grace(runtime: Runtime, work: Path) -> None:
    task = start(runtime, work, shell("trap '' TERM; echo ready; while :; do sleep 0.01; done"))
    task.line()
    before = time.monotonic()
    task.sandbox.stop(0.3)
    end = task.end()
    assert (end.kind, end.signal, end.stopped) == (ExitKind.SIGNALED, signal.SIGKILL, True)
    assert 0.3 <= time.monotonic() - before < 5


def test_stop_reaches_a_stopped_process(runtime: Runtime, work: Path) -> None:
    """A SIGTERM to a process that is suspended would wait for ever."""
    task = start(runtime, work, shell("echo $$; kill -STOP $$; sleep 60"))
    pid = int(task.line())
    wait_for_condition(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
    task.sandbox.stop(20)
    assert task.end().signal == signal.SIGTERM


# -- what is left


def test_kill_of_the_task_is_seen_as_not_ordered(runtime: Runtime, work: Path) -> None:
    """SIGKILL by somebody else: signaled, and not stopped."""
    task = start(runtime, work, shell("echo $$; sleep 600"))
    os.kill(int(task.line()), signal.SIGKILL)
    end = task.end()
    assert (end.kind, end.signal, end.stopped) == (ExitKind.SIGNALED, signal.SIGKILL, False)


def test_kill_of_the_supervisor_ends_the_task(runtime: Runtime, work: Path) -> None:
    """Its end is unknown, its earlier output is there, and nothing of it survives."""
    task = start(runtime, work, shell("setsid sleep 600 & echo $! $$; sleep 600"))
    pids = [int(pid) for pid in task.line().split()]
    os.kill(parent_of(pids[1]), signal.SIGKILL)
    end = task.end()
    assert (end.kind, end.message, end.stopped) == (ExitKind.UNKNOWN, "its supervisor was killed", False)
    assert [pid for pid in pids if is_alive(pid)] == []


def test_nothing_of_an_attempt_is_kept_after_forget(runtime: Runtime, tmp_path: Path, work: Path) -> None:
    """Its directory is there until then, for a worker that has not reported it yet."""
    files = open_files()
    task = start(runtime, work, shell("echo x"))
    task.end()
    assert len(list((tmp_path / "sandboxes").iterdir())) == 1
    runtime.forget(task.sandbox.uid)
    runtime.forget(task.sandbox.uid)
    assert list((tmp_path / "sandboxes").iterdir()) == []
    wait_for_condition(lambda: open_files() <= files + 3, message="file descriptors closed")


def test_same_attempt_twice_is_refused(runtime: Runtime, work: Path) -> None:
    made = launch(work, Entrypoint.from_command("true").entry())
    first = runtime.start(made)
    with pytest.raises(PlatformError, match="started before"):
        runtime.start(made)
    assert first.wait(10) is not None


def test_stats_cover_all_processes(runtime: Runtime, work: Path) -> None:
    task = start(runtime, work, shell("sleep 600 & echo ready; sleep 600"))
    task.line()
    wait_for_condition(lambda: (stats := task.sandbox.stats()) and stats.processes >= 3)
    stats = task.sandbox.stats()
    assert stats is not None
    assert stats.memory > 0
    task.sandbox.stop(0)
    task.end()
    assert task.sandbox.stats() is None
