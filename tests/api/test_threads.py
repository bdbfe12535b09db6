"""Threads, loops and containers: context, failures, bounded stop."""

import contextvars
import gc
import logging
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator

import pytest

from iris_api.testing import wait_for_condition
from iris_api.threads import (
    Backoff,
    ManagedThread,
    ThreadContainer,
    ThreadFailure,
    ThreadRegistry,
    get_thread_registry,
    thread_registry_scope,
)

WHO = contextvars.ContextVar("who", default="nobody")
QUICK = Backoff(first=0.001, limit=0.002)


@pytest.fixture
def container() -> Iterator[ThreadContainer]:
    with ThreadContainer("test") as container:
        yield container


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Lets threads that ignore their stop event end, at the latest after the test."""
    event = threading.Event()
    yield event
    event.set()


def wait(stop: threading.Event) -> None:
    stop.wait()


def boom(stop: threading.Event) -> None:
    raise ValueError("boom")


# context


def test_thread_runs_in_a_copy_of_the_callers_context(container: ThreadContainer) -> None:
    """A thread sees the variables of who spawned it."""
    seen: list[str] = []
    WHO.set("caller")
    container.spawn(lambda stop: seen.append(WHO.get()), "t").join(5)
    assert seen == ["caller"]


def test_thread_cannot_change_the_callers_context(container: ThreadContainer) -> None:
    """What a thread sets stays in its own copy."""
    WHO.set("caller")
    container.spawn(lambda stop: WHO.set("thread"), "t").join(5)
    assert WHO.get() == "caller"


def test_thread_spawns_into_the_registry_of_its_spawner(thread_registry: ThreadRegistry) -> None:
    """The registry of a scope reaches the threads that are spawned in it."""
    seen: list[ThreadRegistry] = []
    thread_registry.container.spawn(lambda stop: seen.append(get_thread_registry()), "t").join(5)
    assert seen == [thread_registry]


# failures


def test_dying_thread_is_logged_with_its_traceback(
    container: ThreadContainer, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception of a plain thread reaches the log, with the line that raised it."""
    container.spawn(boom, "t").join(5)
    assert "thread 't' died once" in caplog.text
    assert 'raise ValueError("boom")' in caplog.text


def test_system_exit_of_a_thread_is_not_silent(container: ThreadContainer) -> None:
    """SystemExit, which threading swallows, counts as a death."""
    thread = container.spawn(lambda stop: sys.exit(3), "t")
    thread.join(5)
    assert thread.failure == ThreadFailure("t", 1, "SystemExit: 3")


def test_dead_thread_makes_its_container_unhealthy(container: ThreadContainer) -> None:
    """A thread that died for good is reported in one sentence."""
    container.spawn(boom, "t").join(5)
    assert container.unhealthy() == ["thread 't' died once, last of ValueError: boom"]


def test_dead_thread_of_a_child_makes_the_parent_unhealthy(container: ThreadContainer) -> None:
    """Health is asked of the root container only."""
    container.child("child").spawn(boom, "t").join(5)
    assert container.unhealthy() == ["thread 't' died once, last of ValueError: boom"]


def test_thread_that_ends_is_healthy(container: ThreadContainer) -> None:
    """The normal end of a thread is no failure."""
    thread = container.spawn(lambda stop: None, "t")
    thread.join(5)
    assert (thread.failure, container.unhealthy(), container.failures()) == (None, [], [])


def test_failing_loop_is_restarted(container: ThreadContainer) -> None:
    """A loop that raised is called again."""
    calls: list[int] = []

    def loop(stop: threading.Event) -> None:
        calls.append(1)
        if len(calls) < 3:
            raise ValueError("boom")

    assert container.spawn_loop(loop, "loop", QUICK).join(5)
    assert len(calls) == 3


def test_loop_that_keeps_dying_is_unhealthy(container: ThreadContainer) -> None:
    """After more deaths in a row than are tolerated, a loop is reported although it is restarted."""
    container.spawn_loop(boom, "loop", QUICK)
    (sentence,) = wait_for_condition(container.unhealthy)
    assert sentence.startswith("thread 'loop' died ")
    assert sentence.endswith(" times in a row, last of ValueError: boom")


def test_loop_that_died_once_is_healthy_but_recorded(container: ThreadContainer) -> None:
    """One death of a loop that runs again shows in failures() and not in unhealthy()."""
    again = threading.Event()

    def loop(stop: threading.Event) -> None:
        if not again.is_set():
            again.set()
            raise ValueError("boom")
        stop.wait()

    thread = container.spawn_loop(loop, "loop", QUICK)
    wait_for_condition(lambda: thread.failure)
    assert container.unhealthy() == []
    assert container.failures() == [ThreadFailure("loop", 1, "ValueError: boom")]


def test_long_run_clears_the_failures_of_a_loop(container: ThreadContainer) -> None:
    """A loop that runs for `healthy_after` seconds has recovered."""
    deaths = iter(range(3))

    def loop(stop: threading.Event) -> None:
        for _ in deaths:
            raise ValueError("boom")
        stop.wait()

    thread = container.spawn_loop(loop, "loop", Backoff(first=0.001, healthy_after=0.1))
    wait_for_condition(lambda: thread.failure and thread.failure.count == 3)
    wait_for_condition(lambda: thread.failure is None and container.unhealthy() == [])


def test_backoff_doubles_up_to_its_limit() -> None:
    """The pause before a restart starts at `first` and never exceeds `limit`."""
    backoff = Backoff(first=0.1, limit=5.0)
    assert [backoff.delay(count) for count in (1, 2, 3, 7, 10_000)] == [0.1, 0.2, 0.4, 5.0, 5.0]


def test_stop_interrupts_the_pause_before_a_restart(container: ThreadContainer) -> None:
    """Stopping a loop does not wait for its back-off."""
    thread = container.spawn_loop(boom, "loop", Backoff(first=60, limit=60))
    wait_for_condition(lambda: thread.failure)
    assert thread.stop(5)


def test_remembered_failures_are_bounded(container: ThreadContainer) -> None:
    """Threads that die under ever new names do not grow the record for ever."""
    for number in range(150):
        container.spawn(boom, f"t{number}").join(5)
    assert len(container.failures()) == 100


# stop


def test_stop_sets_the_event_and_joins(container: ThreadContainer) -> None:
    """After a stop that returned True the thread is gone."""
    thread = container.spawn(wait, "t")
    assert thread.stop() is True
    assert not thread.is_alive()


def test_container_stops_the_newest_first(container: ThreadContainer) -> None:
    """Threads and child containers end in the reverse order of their creation."""
    ended: list[str] = []

    def note_end(stop: threading.Event) -> None:
        stop.wait()
        ended.append(threading.current_thread().name)

    container.spawn(note_end, "first")
    container.child("child").spawn(note_end, "second")
    container.spawn(note_end, "third")
    assert container.stop() == []
    assert ended == ["third", "second", "first"]


def test_stop_names_and_locates_what_does_not_stop(
    container: ThreadContainer, release: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    """A thread that ignores its stop event is returned by name and logged with the line it is at."""
    inside = threading.Event()

    def stubborn(stop: threading.Event) -> None:
        inside.set()
        release.wait()

    container.spawn(stubborn, "stubborn")
    inside.wait(5)
    assert container.stop(timeout=0.05) == ["stubborn"]
    assert "a thread of 'test' did not stop within 0.05 s: thread 'stubborn' is at" in caplog.text
    assert "release.wait()" in caplog.text


def test_stop_has_one_deadline_for_all(container: ThreadContainer, release: threading.Event) -> None:
    """Ten threads that hang take no longer than one."""
    for number in range(5):
        container.spawn(lambda stop: release.wait(), f"t{number}")
        container.child(f"c{number}").spawn(lambda stop: release.wait(), f"u{number}")
    start = time.monotonic()
    assert len(container.stop(timeout=0.2)) == 10
    assert time.monotonic() - start < 1


def test_thread_that_hangs_does_not_take_the_turn_of_others(
    container: ThreadContainer, release: threading.Event
) -> None:
    """An older thread is stopped and joined although a newer one hangs."""
    older = container.spawn(wait, "older")
    container.spawn(lambda stop: release.wait(), "hangs")
    assert container.stop(timeout=0.2) == ["hangs"]
    assert not older.is_alive()


def test_spawn_after_stop_is_refused(container: ThreadContainer) -> None:
    """A stopped container says that it is stopped, and what it refuses."""
    container.stop()
    with pytest.raises(RuntimeError, match="cannot start thread 't': thread container 'test' is stopped"):
        container.spawn(wait, "t")


def test_second_stop_waits_for_what_was_left(container: ThreadContainer, release: threading.Event) -> None:
    """What ended after an expired stop is no longer named by the next one."""
    container.spawn(lambda stop: release.wait(), "late")
    assert container.stop(timeout=0) == ["late"]
    release.set()
    assert container.stop(timeout=5) == []


def test_container_can_be_stopped_by_its_own_thread(container: ThreadContainer) -> None:
    """A thread that stops its own container does not wait for itself."""
    left: list[list[str]] = []
    thread = container.spawn(lambda stop: left.append(container.stop(timeout=5)), "t")
    assert thread.join(2)
    assert left == [[]]


def test_ended_threads_are_forgotten(container: ThreadContainer) -> None:
    """A container does not keep the threads that have ended."""
    ended = [weakref.ref(container.spawn(lambda stop: None, f"t{number}")) for number in range(500)]
    wait_for_condition(lambda: gc.collect() >= 0 and not any(ref() for ref in ended))


def test_stopped_children_are_forgotten(container: ThreadContainer) -> None:
    """A container does not keep the child containers that have been stopped."""
    child = container.child("child")
    child.spawn(wait, "t")
    child.stop()
    gone = weakref.ref(child)
    del child
    wait_for_condition(lambda: gc.collect() >= 0 and gone() is None)


# registry


def test_process_registry_is_one_object_for_all_threads() -> None:
    """Without a scope, threads that ask at the same time get the same registry."""
    code = """
import threading
from iris_api.threads import get_thread_registry
together, found = threading.Barrier(16), set()
def ask():
    together.wait()
    found.add(get_thread_registry())
threads = [threading.Thread(target=ask) for _ in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(found))
"""
    assert run_python(code).stdout == "1\n"


def test_scope_hides_the_outer_registry() -> None:
    """Inside a scope its registry is the current one; after it the outer one is again."""
    outer = get_thread_registry()
    with thread_registry_scope("inner") as inner:
        assert get_thread_registry() is inner is not outer
    assert get_thread_registry() is outer


def test_scope_stops_its_threads_also_after_an_error() -> None:
    """The end of a scope stops what was spawned in it."""

    def fail_in_a_scope() -> None:
        with thread_registry_scope() as registry:
            threads.append(registry.container.spawn(wait, "t"))
            raise KeyError

    threads: list[ManagedThread] = []
    with pytest.raises(KeyError):
        fail_in_a_scope()
    assert not threads[0].is_alive()


def test_interpreter_exit_stops_the_threads_of_the_process_registry() -> None:
    """A thread that obeys its stop event can finish its work at interpreter exit."""
    code = """
from iris_api.threads import get_thread_registry
get_thread_registry().container.spawn(lambda stop: (stop.wait(), print("flushed", flush=True)), "t")
"""
    assert run_python(code).stdout == "flushed\n"


def test_interpreter_exit_does_not_wait_for_ever() -> None:
    """A thread and an executor's task that hang are named, and the interpreter ends all the same."""
    code = """
import threading
from iris_api.threads import get_thread_registry
together = threading.Barrier(3)
hang = lambda *_: (together.wait(), threading.Event().wait())
get_thread_registry().container.spawn(hang, "hangs")
get_thread_registry().container.spawn_executor(1, "pool").submit(hang)
together.wait()
"""
    ended = run_python(code)
    assert "thread 'hangs' is at" in ended.stderr
    assert "thread 'pool-0' is at" in ended.stderr


def run_python(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )


def test_log_of_threads_has_a_name_of_its_own(
    container: ThreadContainer, caplog: pytest.LogCaptureFixture
) -> None:
    """What this package logs can be filtered as `iris.threads`."""
    container.spawn(boom, "t").join(5)
    assert caplog.record_tuples[0][:2] == ("iris.threads", logging.ERROR)
