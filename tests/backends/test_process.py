"""The process runtime with real processes: output, ends, stops, and what is left."""

from __future__ import annotations

import hashlib
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
from tests.backends.support import KeepingSink, Started, is_alive, launch, open_files, parent_of, start

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


def test_the_two_streams_stay_apart(runtime: Runtime, work: Path) -> None:
    """Each line comes with the stream it was written to."""
    task = start(runtime, work, shell("echo out; echo err >&2"))
    assert task.end().success
    assert (task.sink.of("stdout"), task.sink.of("stderr")) == (["out"], ["err"])


def test_last_line_without_newline_is_delivered(runtime: Runtime, work: Path) -> None:
    task = start(runtime, work, shell("printf 'a\\nb'"))
    task.end()
    assert task.sink.of("stdout") == ["a", "b"]


def test_ten_megabytes_come_complete_and_in_order(runtime: Runtime, work: Path) -> None:
    """All output is in the sink when `wait` returns."""
    task = start(runtime, work, script("for i in range(200_000): print(f'{i:049d}')"))
    task.end()
    expected = hashlib.sha256("".join(f"{i:049d}\n" for i in range(200_000)).encode()).hexdigest()
    got = hashlib.sha256("".join(f"{line}\n" for line in task.sink.of("stdout")).encode()).hexdigest()
    assert got == expected


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


def test_exit_code(runtime: Runtime, work: Path) -> None:
    end = start(runtime, work, shell("exit 7")).end()
    assert (end.kind, end.code, end.signal, end.stopped) == (ExitKind.EXITED, 7, None, False)


def test_signal_of_its_own(runtime: Runtime, work: Path) -> None:
    end = start(runtime, work, shell("kill -SEGV $$")).end()
    assert (end.kind, end.signal, end.code, end.stopped) == (ExitKind.SIGNALED, signal.SIGSEGV, None, False)


def test_memory_peak(runtime: Runtime, work: Path) -> None:
    """Of the largest process."""
    end = start(runtime, work, script("x = bytearray(50 * 2**20); x[::4096] = b'1' * len(x[::4096])")).end()
    assert 50 * 2**20 < (end.memory_peak or 0) < 200 * 2**20


def test_missing_command_is_the_users_failure(runtime: Runtime, work: Path) -> None:
    """As in a shell: code 127, and the sentence is both in the exit and in the output."""
    task = start(runtime, work, ("no-such-program", "x"))
    end = task.end()
    assert (end.kind, end.code) == (ExitKind.EXITED, 127)
    assert end.message == "cannot run no-such-program: No such file or directory"
    assert task.sink.of("stderr") == [f"iris: {end.message}"]


def test_same_exit_on_every_wait(runtime: Runtime, work: Path) -> None:
    task = start(runtime, work, shell("exit 3"))
    assert task.end() is task.end()


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


def test_callable_that_exits(runtime: Runtime, work: Path) -> None:
    """SystemExit is what it is in a program."""
    end = start(runtime, work, sys.exit, 4).end()
    assert (end.kind, end.code) == (ExitKind.EXITED, 4)


def test_callable_of_another_python_is_refused(runtime: Runtime, work: Path) -> None:
    """Nothing of it runs, and both versions are named."""
    made = Entrypoint.from_callable(print, "ran").entry()
    sink = KeepingSink()
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


def test_stop_asks_first(runtime: Runtime, work: Path) -> None:
    """SIGTERM, and the task's own answer to it counts."""
    task = start(
        runtime, work, shell("trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.01; done")
    )
    task.line()
    task.sandbox.stop(20)
    end = task.end()
    assert (end.kind, end.code, end.stopped) == (ExitKind.EXITED, 5, True)
    assert task.sink.of("stdout") == ["ready", "bye"]


def test_stop_kills_after_the_grace(runtime: Runtime, work: Path) -> None:
    task = start(runtime, work, shell("trap '' TERM; echo ready; while :; do sleep 0.01; done"))
    task.line()
    before = time.monotonic()
    task.sandbox.stop(0.3)
    end = task.end()
    assert (end.kind, end.signal, end.stopped) == (ExitKind.SIGNALED, signal.SIGKILL, True)
    assert 0.3 <= time.monotonic() - before < 5


def test_shorter_grace_shortens(runtime: Runtime, work: Path) -> None:
    task = start(runtime, work, shell("trap '' TERM; echo ready; while :; do sleep 0.01; done"))
    task.line()
    task.sandbox.stop(600)
    task.sandbox.stop(0.1)
    assert task.end(10).signal == signal.SIGKILL


def test_stop_right_after_the_start(runtime: Runtime, work: Path) -> None:
    """An order that comes before the supervisor runs is not lost."""
    task = start(runtime, work, ("sleep", "60"))
    task.sandbox.stop(5)
    assert task.end().stopped


def test_stop_after_the_end_changes_nothing(runtime: Runtime, work: Path) -> None:
    """An exit of its own is not taken for a stop."""
    task = start(runtime, work, shell("exit 3"))
    task.end()
    task.sandbox.stop(0)
    assert (task.end().code, task.end().stopped) == (3, False)


def test_stop_reaches_a_stopped_process(runtime: Runtime, work: Path) -> None:
    """A SIGTERM to a process that is suspended would wait for ever."""
    task = start(runtime, work, shell("echo $$; kill -STOP $$; sleep 60"))
    pid = int(task.line())
    wait_for_condition(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
    task.sandbox.stop(20)
    assert task.end().signal == signal.SIGTERM


# -- what is left


def test_group_dies_with_the_task(runtime: Runtime, work: Path) -> None:
    """A child in the background does not outlive its parent, nor keep it open through the pipe."""
    task = start(runtime, work, shell("sleep 600 & echo $!; exit 0"))
    assert task.end().success
    assert not is_alive(int(task.line()))


def test_grandchild_in_a_session_of_its_own_dies(runtime: Runtime, work: Path) -> None:
    """It left the group, was orphaned, and holds the pipe: it is found as a descendant."""
    code = "setsid sh -c 'trap \"\" TERM HUP; echo $$; setsid sleep 600 & sleep 600' & sleep 0.3; exit 0"
    task = start(runtime, work, shell(code))
    assert task.end().success
    assert not is_alive(int(task.line()))


def test_stop_leaves_nothing(runtime: Runtime, work: Path) -> None:
    code = "(setsid sh -c 'echo $$; sleep 600') & sh -c 'echo $$; sleep 600'"
    task = start(runtime, work, shell(code))
    pids = [int(task.line(index=0)), int(task.line(index=1))]
    task.sandbox.stop(0.1)
    task.end()
    assert [pid for pid in pids if is_alive(pid)] == []


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


def test_fifty_at_once(runtime: Runtime, work: Path) -> None:
    """Each with its own output and exit."""
    tasks = [start(runtime, work, shell(f"echo {i}; exit {i}")) for i in range(50)]
    assert [task.end(50).code for task in tasks] == list(range(50))
    assert [task.sink.of("stdout") for task in tasks] == [[str(i)] for i in range(50)]


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
