"""Executors of a container: context per task, ownership, bounded stop."""

import contextvars
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError

import pytest

from iris_api.testing import wait_for_condition
from iris_api.threads import ThreadContainer

WHO = contextvars.ContextVar("who", default="nobody")


@pytest.fixture
def container() -> Iterator[ThreadContainer]:
    with ThreadContainer("test") as container:
        yield container


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Lets tasks that block end, at the latest after the test."""
    event = threading.Event()
    yield event
    event.set()


def test_each_task_sees_the_context_of_its_submitter(container: ThreadContainer) -> None:
    """Two tasks on one thread see what was set when each was submitted."""
    executor = container.spawn_executor(1, "pool")
    WHO.set("first")
    first = executor.submit(WHO.get)
    WHO.set("second")
    second = executor.submit(WHO.get)
    assert (first.result(5), second.result(5)) == ("first", "second")


def test_task_cannot_change_the_context_of_the_next(container: ThreadContainer) -> None:
    """What a task sets is gone with it."""
    WHO.set("submitter")
    executor = container.spawn_executor(1, "pool")
    executor.submit(WHO.set, "task").result(5)
    assert executor.submit(WHO.get).result(5) == "submitter"


def test_exception_of_a_task_reaches_its_future(container: ThreadContainer) -> None:
    """A task that raises fails its future, and the thread goes on."""
    executor = container.spawn_executor(1, "pool")
    with pytest.raises(ZeroDivisionError):
        executor.submit(divmod, 1, 0).result(5)
    assert executor.submit(divmod, 7, 2).result(5) == (3, 1)


def test_threads_are_named_and_bounded(container: ThreadContainer) -> None:
    """At most `max_workers` threads run, named after the executor."""
    executor = container.spawn_executor(3, "pool")
    together = threading.Barrier(3)

    def name() -> str:
        together.wait(5)
        return threading.current_thread().name

    futures = [executor.submit(name) for _ in range(6)]
    assert {future.result(5) for future in futures} == {"pool-0", "pool-1", "pool-2"}


def test_idle_thread_is_used_again(container: ThreadContainer) -> None:
    """A task that comes when a thread is free starts no further one."""
    executor = container.spawn_executor(8, "pool")
    used = set()
    for _ in range(20):
        used.add(executor.submit(threading.get_ident).result(5))
        wait_for_condition(lambda: executor._idle == 1)  # type: ignore[attr-defined]
    assert len(used) == 1


def test_container_stop_is_bounded_although_a_task_hangs(
    container: ThreadContainer, release: threading.Event
) -> None:
    """The thread of a task that does not return is named, and the stop returns."""
    wait_for_condition(container.spawn_executor(1, "pool").submit(release.wait).running)
    start = time.monotonic()
    assert container.stop(timeout=0.1) == ["pool-0"]
    assert time.monotonic() - start < 1


def test_container_stop_cancels_queued_tasks(container: ThreadContainer, release: threading.Event) -> None:
    """Nobody waits for ever for a task that a stopped executor has not begun."""
    executor = container.spawn_executor(1, "pool")
    wait_for_condition(executor.submit(release.wait).running)
    queued = executor.submit(release.wait)
    container.stop(timeout=0.1)
    with pytest.raises(CancelledError):
        queued.result(5)


def test_shutdown_waits_for_queued_tasks(container: ThreadContainer) -> None:
    """As with every executor, leaving its `with` block waits for all that was submitted."""
    done: list[int] = []
    with container.spawn_executor(1, "pool") as executor:
        for number in range(10):
            executor.submit(done.append, number)
    assert done == list(range(10))


def test_shutdown_gives_up_when_the_container_has(
    container: ThreadContainer, release: threading.Event
) -> None:
    """A thread that waits for a hanging executor is released when the container's stop expires."""
    executor = container.spawn_executor(1, "pool")
    wait_for_condition(executor.submit(release.wait).running)
    with ThreadContainer("waiter") as other:
        waiter = other.spawn(lambda stop: executor.shutdown(wait=True), "waiter")
        container.stop(timeout=0.1)
        assert waiter.join(5)


def test_submit_after_stop_is_refused(container: ThreadContainer) -> None:
    """A stopped executor says so instead of queueing for ever."""
    executor = container.spawn_executor(1, "pool")
    executor.submit(int).result(5)
    container.stop()
    with pytest.raises(RuntimeError, match="executor 'pool' is shut down"):
        executor.submit(int)


def test_task_may_shut_its_executor_down(container: ThreadContainer) -> None:
    """A task that shuts its own executor down does not wait for itself."""
    executor = container.spawn_executor(1, "pool")
    executor.submit(executor.shutdown).result(5)
    with pytest.raises(RuntimeError):
        executor.submit(int)


def test_map_keeps_the_order(container: ThreadContainer) -> None:
    """The methods of the standard executor work on top of submit."""
    assert list(container.spawn_executor(4, "pool").map(abs, range(-50, 0))) == list(range(50, 0, -1))
