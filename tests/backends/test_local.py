"""The thread runtime: identity, log records, context of raw threads, stops."""

from __future__ import annotations

import concurrent.futures
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from iris_api.context import Context
from iris_api.job_info import get_job_info, stop_event
from iris_api.jobs import Entry, Entrypoint
from iris_api.platform import ExitKind, Runtime
from iris_api.testing import wait_for_condition
from iris_backends.local import LocalConfig, LocalPlatform
from tests.backends import shared
from tests.backends.support import KeptOutput, Started, launch, start


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    platform = LocalPlatform(LocalConfig(), Context())
    yield platform.runtime
    platform.close()


@pytest.fixture(autouse=True)
def seen() -> Iterator[list[object]]:
    """What tasks put into `shared.seen`: they are pickled, so they cannot reach a test's own variables."""
    shared.seen.clear()
    shared.event.clear()
    yield shared.seen
    shared.event.set()


def run(runtime: Runtime, what: Callable[..., object], *args: object, **info: object) -> Started:
    task = start(runtime, Path("unused"), what, *args, **info)
    task.end()
    return task


# -- identity


def test_task_knows_who_it_is_without_the_environment(runtime: Runtime, seen: list[object]) -> None:
    """os.environ is the same before, in and after the task."""
    before = dict(os.environ)
    run(runtime, shared.note_job_and_environment, job_id="abc/x", env={"MINE": "1"})
    assert seen == ["abc/x", before]
    assert dict(os.environ) == before


def test_context_of_the_starter_is_untouched(runtime: Runtime) -> None:
    run(runtime, print)
    assert get_job_info() is None


@pytest.mark.parametrize(
    "spawn", [shared.in_raw_thread, shared.in_executor, shared.in_nested, shared.in_timer]
)
def test_what_a_task_spawns_belongs_to_its_job(
    runtime: Runtime, seen: list[object], spawn: Callable[[], None]
) -> None:
    """Raw threads, executors, threads of threads."""
    assert run(runtime, spawn, job_id="abc").end().success
    assert seen == ["abc"]


def test_shared_executor_serves_each_job_as_itself(runtime: Runtime, seen: list[object]) -> None:
    """A pooled thread that one job has started does not keep that job."""
    with ThreadPoolExecutor(1) as pool:
        shared.pools.append(pool)
        run(runtime, shared.in_shared_executor, job_id="one")
        run(runtime, shared.in_shared_executor, job_id="two")
        outside = pool.submit(get_job_info).result(10)
    assert seen == ["one", "two"]
    assert outside is None


def test_threads_of_others_are_untouched(runtime: Runtime, seen: list[object]) -> None:
    """While a task lives, a thread that is not its own inherits nothing."""
    task = start(runtime, Path("unused"), shared.wait_for_event)
    thread = threading.Thread(target=lambda: seen.append(get_job_info()))
    thread.start()
    thread.join()
    shared.event.set()
    task.end()
    assert seen == [None]


def test_standard_library_is_as_before_after_the_last_task(runtime: Runtime) -> None:
    before = (threading.Thread.start, ThreadPoolExecutor.submit, logging.Logger.callHandlers)
    tasks = [start(runtime, Path("unused"), shared.wait_for_event) for _ in range(2)]
    assert threading.Thread.start is not before[0]
    shared.event.set()
    for task in tasks:
        task.end()
    assert (threading.Thread.start, ThreadPoolExecutor.submit, logging.Logger.callHandlers) == before


# -- log records


def test_records_of_any_logger_become_entries(runtime: Runtime) -> None:
    """INFO and above, with their level and logger; a task's own logger without."""
    task = run(runtime, shared.log_things, job_id="abc")
    assert task.sink.of("log") == ["INFO lib.part: one", "two", "WARNING root: three"]


def test_prints_are_not_redirected(runtime: Runtime, capsys: pytest.CaptureFixture[str]) -> None:
    task = run(runtime, print, "hello")
    assert (task.sink.entries, capsys.readouterr().out) == ([], "hello\n")


def test_record_of_several_lines_is_several_entries(runtime: Runtime) -> None:
    task = run(runtime, shared.log, "a\nb")
    assert task.sink.of("log") == ["INFO lib: a", "b"]


def test_records_of_a_tasks_raw_thread_are_its_own(runtime: Runtime) -> None:
    task = run(runtime, shared.log_in_raw_thread, "from the thread")
    assert task.sink.of("log") == ["INFO lib: from the thread"]


def test_logger_that_is_set_higher_is_obeyed(runtime: Runtime) -> None:
    logging.getLogger("lib").setLevel(logging.ERROR)
    try:
        task = run(runtime, shared.log, "quiet")
    finally:
        logging.getLogger("lib").setLevel(logging.NOTSET)
    assert task.sink.entries == []


def test_logger_that_does_not_propagate_is_heard(runtime: Runtime) -> None:
    logging.getLogger("lib").propagate = False
    try:
        task = run(runtime, shared.log, "heard")
    finally:
        logging.getLogger("lib").propagate = True
    assert task.sink.of("log") == ["INFO lib: heard"]


def test_other_handlers_get_what_they_got(runtime: Runtime) -> None:
    """An INFO record under a root of WARNING reaches the task's log only."""
    records: list[str] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record.getMessage())

    handler = Keeping()
    logging.getLogger().addHandler(handler)
    try:
        run(runtime, shared.log_things, job_id="abc")
    finally:
        logging.getLogger().removeHandler(handler)
    assert records == ["three"]


def test_records_outside_the_task_are_nobodys(runtime: Runtime) -> None:
    task = start(runtime, Path("unused"), shared.wait_for_event)
    logging.getLogger("lib").warning("from outside")
    shared.event.set()
    task.end()
    assert task.sink.entries == []


# -- ends


def test_exception(runtime: Runtime) -> None:
    """Its traceback becomes entries, without Iris's own frames."""
    task = run(runtime, shared.fail)
    end = task.end()
    assert (end.kind, end.code, end.message) == (ExitKind.RAISED, 1, "ValueError: boom")
    lines = task.sink.of("stderr")
    assert (lines[0], lines[-1]) == ("Traceback (most recent call last):", "ValueError: boom")
    assert not [line for line in lines if "iris_backends" in line]


def test_a_thread_has_no_memory_peak(runtime: Runtime) -> None:
    """It shares its process with others; nobody can tell what is its own."""
    assert run(runtime, shared.note_job).end().memory_peak is None


def test_text_that_utf8_cannot_carry(runtime: Runtime) -> None:
    """A lone surrogate, as in the name of a file, does not break the way to the controller."""
    task = run(runtime, shared.fail_oddly)
    assert task.end().message == "ValueError: caf?"
    assert task.sink.of("stderr")[-1] == "ValueError: caf?"


def test_sink_that_fails_does_not_keep_the_task_open(runtime: Runtime) -> None:
    """Its end cannot be told, but it is one."""

    class BrokenSink(KeptOutput):
        def write(self, source: str, data: str, timestamp_us: int) -> None:
            raise OSError("no room")

    entry = Entrypoint.from_callable(shared.fail).entry()
    end = runtime.start(launch(Path("unused"), entry, sink=BrokenSink())).wait(10)
    assert end is not None
    assert (end.kind, end.message) == (ExitKind.UNKNOWN, "its end cannot be told: no room")


@pytest.mark.parametrize(("given", "code"), [(None, 0), (3, 3), ("why", 1)])
def test_system_exit(runtime: Runtime, given: object, code: int) -> None:
    assert run(runtime, sys.exit, given).end().code == code


def test_fifty_at_once(runtime: Runtime) -> None:
    tasks = [start(runtime, Path("unused"), shared.log, f"{i}") for i in range(50)]
    assert all(task.end().success for task in tasks)
    assert [task.sink.of("log") for task in tasks] == [[f"INFO lib: {i}"] for i in range(50)]


def test_only_commands_want_a_directory(runtime: Runtime) -> None:
    assert runtime.wants_workdir(Entry(argv=("true",)))
    assert not runtime.wants_workdir(Entry(call=b"x"))


# -- stops


def test_cooperative_thread_stops_by_itself(runtime: Runtime) -> None:
    """It sees the request and returns; that is its exit."""
    task = start(runtime, Path("unused"), shared.until_stopped)
    assert task.line("log") == "INFO lib: ready"
    task.sandbox.stop(30)
    end = task.end()
    assert (end.kind, end.code, end.stopped) == (ExitKind.EXITED, 0, True)
    assert stop_event() is None


def test_busy_thread_gets_an_exception_after_the_grace(runtime: Runtime) -> None:
    task = start(runtime, Path("unused"), shared.busy)
    task.line("log")
    before = time.monotonic()
    task.sandbox.stop(0.2)
    end = task.end()
    assert end.kind is ExitKind.RAISED
    assert end.message.endswith("AttemptStopped: the task had not ended within its grace")
    assert 0.2 <= time.monotonic() - before < 5
    assert "in busy" in "".join(task.sink.of("stderr"))


def test_blocked_thread_is_abandoned(runtime: Runtime, seen: list[object]) -> None:
    """In bounded time; and what it logs later is nobody's."""
    task = start(runtime, Path("unused"), shared.blocked)
    task.line("log")
    task.sandbox.stop(0.1)
    end = task.end(10)
    assert (end.kind, end.stopped) == (ExitKind.ABANDONED, True)
    shared.event.set()
    wait_for_condition(lambda: seen, message="the end of the blocked thread")
    assert task.sink.of("log") == ["INFO lib: ready"]


def test_shorter_grace_shortens(runtime: Runtime) -> None:
    task = start(runtime, Path("unused"), shared.busy)
    task.line("log")
    task.sandbox.stop(600)
    task.sandbox.stop(0.1)
    assert task.end(10).stopped


def test_process_pool_is_untouched(runtime: Runtime) -> None:
    """Only thread pools inherit."""
    submit = concurrent.futures.ProcessPoolExecutor.submit
    task = start(runtime, Path("unused"), shared.wait_for_event)
    assert concurrent.futures.ProcessPoolExecutor.submit is submit
    shared.event.set()
    task.end()


def test_sink_gets_nothing_after_the_exit(runtime: Runtime, seen: list[object]) -> None:
    """A thread that a task left behind writes nowhere."""
    task = run(runtime, shared.leave_a_logging_thread)
    shared.event.set()
    wait_for_condition(lambda: seen, message="the record of the left thread")
    assert task.sink.entries == []


def test_keeping_sink_is_a_log_sink() -> None:
    """The double used here satisfies the contract's signature."""
    sink = KeptOutput()
    sink.write("log", "x", 1)
    assert sink.of("log") == ["x"]
