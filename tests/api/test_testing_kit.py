"""The testing kit: it waits, it tells the time, and it sees what is left behind."""

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from iris_api.testing import (
    ConditionTimeout,
    VirtualClock,
    leaked_processes,
    leaked_threads,
    process_snapshot,
    thread_snapshot,
    wait_for_condition,
)
from iris_api.threads import ThreadRegistry, get_thread_registry

pytest_plugins = ["pytester"]

SLEEPER = [sys.executable, "-c", "import sys; sys.stdin.read()"]


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that ends when its stdin is closed."""
    with subprocess.Popen(SLEEPER, stdin=subprocess.PIPE) as process:
        yield process


# wait_for_condition


def test_wait_returns_what_the_predicate_returned() -> None:
    """The first true value is the result."""
    values = iter([0, "", None, "there"])
    assert wait_for_condition(lambda: next(values)) == "there"


def test_wait_looks_once_even_without_time() -> None:
    """A condition that is already true needs no time at all."""
    assert wait_for_condition(lambda: 7, timeout=0) == 7


def test_expired_wait_says_what_it_waited_for_and_last_saw() -> None:
    """The error has the message and the last value, as text and as attributes."""
    with pytest.raises(
        ConditionTimeout, match=r"waited 0.02 s for the job to run; it last was \[\]"
    ) as caught:
        wait_for_condition(list, timeout=0.02, message="the job to run")
    assert (caught.value.waited_for, caught.value.last) == ("the job to run", [])


def test_expired_wait_without_message_names_the_predicate() -> None:
    """Without a message the error points at the line of the predicate."""
    with pytest.raises(
        TimeoutError, match=r"names_the_predicate.<locals>.<lambda> \(.*test_testing_kit.py:\d+\)"
    ):
        wait_for_condition(lambda: False, timeout=0)


def test_error_of_the_predicate_comes_out() -> None:
    """A predicate that raises is not called again."""
    with pytest.raises(ZeroDivisionError):
        wait_for_condition(lambda: 1 / 0)


# VirtualClock


def test_virtual_time_stands_still() -> None:
    """Nobody but the test moves the clock."""
    clock = VirtualClock(now=5.0)
    assert (clock.now(), clock.now()) == (5.0, 5.0)


def test_advance_moves_both_clocks() -> None:
    """Monotonic and wall time pass together."""
    clock = VirtualClock(now=1.0, wall=1000.0)
    assert clock.advance(2.5) == 3.5
    assert (clock.now(), clock.wall()) == (3.5, 1002.5)


def test_virtual_time_does_not_go_back() -> None:
    """A negative step is an error of the test."""
    with pytest.raises(ValueError, match="cannot go back"):
        VirtualClock().advance(-1)


# leaks


def test_new_thread_is_a_leak_with_its_stack(thread_registry: ThreadRegistry) -> None:
    """A thread that was not there before is described with the line where it waits."""
    before, waits = thread_snapshot(), threading.Event()

    def leaky(stop: threading.Event) -> None:
        waits.set()
        stop.wait()

    thread_registry.container.spawn(leaky, "leaky")
    waits.wait(5)
    (leak,) = leaked_threads(before, grace=0)
    assert leak.startswith("thread 'leaky' is at ")
    assert "in leaky\n    stop.wait()" in leak


def test_thread_that_ends_within_the_grace_is_no_leak(thread_registry: ThreadRegistry) -> None:
    """A thread may take a moment to end."""
    before = thread_snapshot()
    thread = thread_registry.container.spawn(lambda stop: stop.wait(), "short")
    thread._request_stop()
    assert leaked_threads(before, grace=5) == []


def test_older_thread_is_no_leak(thread_registry: ThreadRegistry) -> None:
    """What was there before is not counted."""
    thread_registry.container.spawn(lambda stop: stop.wait(), "older")
    assert leaked_threads(thread_snapshot(), grace=0) == []


def test_new_process_is_a_leak_with_its_argv(sleeper: "subprocess.Popen[bytes]") -> None:
    """A child process is described with its id and its command line."""
    line = f"process {sleeper.pid} runs: "

    def told() -> bool:
        leaks = leaked_processes(frozenset(), grace=0)
        return any(leak.startswith(line) and leak.endswith("sys.stdin.read()") for leak in leaks)

    wait_for_condition(told)


def test_grandchild_is_a_leak() -> None:
    """Processes below a child are found, too."""
    code = f"import subprocess; subprocess.run({SLEEPER!r})"
    before = process_snapshot()
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE):
        wait_for_condition(lambda: len(leaked_processes(before, grace=0)) == 2)


def test_process_that_nobody_waited_for_is_a_leak(sleeper: "subprocess.Popen[bytes]") -> None:
    """A zombie counts, because somebody forgot to wait for it."""
    assert sleeper.stdin is not None
    sleeper.stdin.close()
    expected = f"process {sleeper.pid} has ended, but nobody waited for it"
    wait_for_condition(lambda: expected in leaked_processes(frozenset(), grace=0))


def test_older_process_is_no_leak(sleeper: "subprocess.Popen[bytes]") -> None:
    """A process of the snapshot is not counted."""
    assert leaked_processes(process_snapshot(), grace=0) == []


# fixtures


@pytest.fixture
def run_inner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project whose tests all use `no_leaks`."""
    pytester.makeconftest(
        """
        import pytest
        from iris_api.testing import fixtures, leaks
        from iris_api.testing.fixtures import no_leaks, thread_registry

        @pytest.fixture(autouse=True)
        def hermetic(no_leaks, thread_registry): ...

        @pytest.fixture(autouse=True, scope="session")
        def impatient():
            for name in ("leaked_threads", "leaked_processes"):
                look = getattr(leaks, name)
                setattr(fixtures, name, lambda before, look=look: look(before, 0.1))
        """
    )
    return pytester


def test_fixture_fails_a_test_that_leaks_a_thread(run_inner: pytest.Pytester) -> None:
    """The report names the thread and where it hangs."""
    run_inner.makepyfile(
        """
        import threading

        def test_leak():
            threading.Thread(target=threading.Event().wait, name="leaky", daemon=True).start()
        """
    )
    result = run_inner.runpytest_subprocess()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["the test left behind:", "thread 'leaky' is at *waiter.acquire()*"])


def test_fixture_fails_a_test_that_leaks_a_process(run_inner: pytest.Pytester) -> None:
    """The report names the process and its argv; the fixture does not end it."""
    run_inner.makepyfile(
        f"""
        import subprocess
        left = []

        def test_leak():
            left.append(subprocess.Popen({SLEEPER!r}, stdin=subprocess.PIPE))

        def test_end():
            left[0].communicate()
        """
    )
    result = run_inner.runpytest_subprocess("-p", "no:randomly")
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["the test left behind:", "process * runs: *sys.stdin.read()"])


def test_fixture_passes_a_test_that_leaves_nothing(run_inner: pytest.Pytester) -> None:
    """Threads of the test's registry are stopped before leaks are looked for."""
    run_inner.makepyfile(
        """
        from iris_api.threads import get_thread_registry

        def test_clean():
            get_thread_registry().container.spawn(lambda stop: stop.wait(), "mine")
        """
    )
    run_inner.runpytest_subprocess().assert_outcomes(passed=1)


def test_every_test_has_a_registry_of_its_own(thread_registry: ThreadRegistry) -> None:
    """The current registry is the one that the fixture made for this test."""
    assert get_thread_registry() is thread_registry
    assert thread_registry.container.name == "test_every_test_has_a_registry_of_its_own"
