"""Green threads, virtual time and event loops of the simulation's kernel."""

import asyncio
import queue
import random
import secrets
import threading
import time
from collections.abc import Callable

import pytest

from iris_api.testing.sim import EPOCH, Blocked, Host, Kernel, Process, SimLoop, simulated
from iris_api.threads import ThreadContainer


def run(program: Callable[[], object], *, until: float = 1000.0) -> Kernel:
    kernel = Kernel("test")
    with simulated(kernel):
        kernel.spawn(program, "main", kernel.host("h").process("p"))
        kernel.run(until)
    assert not kernel.errors
    return kernel


def test_sleeping_takes_virtual_time_only() -> None:
    """An hour passes at once, on both clocks."""
    seen: list[float] = []

    def program() -> None:
        time.sleep(3600.0)
        seen.extend((time.monotonic(), time.time() - EPOCH))

    real = time.monotonic()
    run(program, until=4000.0)
    assert time.monotonic() - real < 5.0
    assert seen == pytest.approx([3600.0, 3600.0], abs=0.01)


def test_containers_run_on_green_threads() -> None:
    """The real ThreadContainer spawns, restarts and stops without a real thread."""
    before = threading.active_count()
    turns: list[float] = []

    def dies_once(stop: threading.Event) -> None:
        turns.append(time.monotonic())
        if len(turns) == 1:
            raise ValueError("once")
        stop.wait()

    def program() -> None:
        threads = ThreadContainer("box")
        threads.spawn_loop(dies_once, name="loop")
        time.sleep(10.0)
        assert threads.spawn_executor(2, "pool").submit(lambda: 7).result(1.0) == 7
        assert threads.stop(5.0) == []

    run(program)
    assert turns == pytest.approx([0.0, 0.1], abs=0.01)
    assert threading.active_count() == before


def test_waits_end_at_their_deadline() -> None:
    """Event, Condition, Lock and SimpleQueue give up when their time is over, and not before."""
    ends: list[float] = []

    def program() -> None:
        held = threading.Lock()
        held.acquire()
        condition = threading.Condition()
        assert not threading.Event().wait(1.0)
        ends.append(time.monotonic())
        with condition:
            assert not condition.wait_for(lambda: False, 1.0)
        ends.append(time.monotonic())
        assert not held.acquire(timeout=1.0)
        ends.append(time.monotonic())
        with pytest.raises(queue.Empty):
            queue.SimpleQueue[int]().get(timeout=1.0)
        ends.append(time.monotonic())

    run(program)
    assert ends == pytest.approx([1.0, 2.0, 3.0, 4.0], abs=0.01)


def test_asyncio_runs_under_virtual_time() -> None:
    """asyncio's own timeouts and sleeps work on the simulated loop."""
    seen: list[object] = []

    async def main() -> None:
        assert asyncio.get_running_loop().time() == time.monotonic()
        try:
            async with asyncio.timeout(2.0):
                await asyncio.sleep(50.0)
        except TimeoutError:
            seen.append(round(time.monotonic(), 2))

    kernel = Kernel("test")
    with simulated(kernel):
        loop = SimLoop(kernel, kernel.host("h").process("p"))
        loop.create_task(main())
        kernel.run(100.0)
    assert seen == [2.0]


def test_event_loop_that_blocks_is_a_fault() -> None:
    """A callback that waits for a thread would stop every other one."""

    async def main() -> None:
        time.sleep(1.0)  # noqa: ASYNC251 - this is what must not pass

    kernel = Kernel("test")
    with simulated(kernel):
        task = SimLoop(kernel, kernel.host("h").process("p")).create_task(main())
        kernel.run(100.0)
    assert isinstance(task.exception(), Blocked)


def two_hosts() -> tuple[Kernel, Host, Process]:
    kernel = Kernel("test")
    host = kernel.host("h")
    return kernel, host, host.process("p")


def test_killed_process_runs_no_finally() -> None:
    """What kill -9 ends has no last word; others go on."""
    kernel, host, process = two_hosts()
    seen: list[str] = []

    def program() -> None:
        try:
            time.sleep(10.0)
        finally:
            seen.append("last word")

    def other() -> None:
        time.sleep(20.0)
        seen.append("other")

    with simulated(kernel):
        kernel.spawn(program, "main", process)
        kernel.spawn(other, "other", host.process("q"))
        kernel.after(5.0, process.kill)
        kernel.run(100.0)
        assert seen == ["other"]


def test_process_dies_before_the_step_it_is_doomed_at() -> None:
    """A crash can be put between any two steps."""
    kernel, _, process = two_hosts()
    seen: list[int] = []

    def program() -> None:
        for turn in range(10):
            seen.append(turn)
            time.sleep(1.0)

    process.dies_at = 4
    with simulated(kernel):
        kernel.spawn(program, "main", process)
        kernel.run(100.0)
    assert seen == [0, 1, 2]


def test_suspended_machine_loses_monotonic_time() -> None:
    """What was to happen in 10 s of its clock happens so much later; its wall clock has gone on."""
    kernel, host, process = two_hosts()
    seen: list[float] = []

    def program() -> None:
        time.sleep(10.0)
        seen.extend((kernel.now, time.monotonic(), time.time() - EPOCH))

    with simulated(kernel):
        kernel.spawn(program, "main", process)
        kernel.after(4.0, host.suspend)
        kernel.after(7.0, host.resume)
        kernel.run(100.0)
    assert seen == pytest.approx([13.0, 10.0, 13.0], abs=0.01)


def test_paused_process_finds_its_time_over() -> None:
    """SIGSTOP stops no clock: what was due meanwhile comes at once afterwards."""
    kernel, _, process = two_hosts()
    seen: list[float] = []

    def program() -> None:
        time.sleep(10.0)
        seen.extend((kernel.now, time.monotonic()))

    with simulated(kernel):
        kernel.spawn(program, "main", process)
        kernel.after(4.0, process.pause)
        kernel.after(30.0, process.unpause)
        kernel.run(100.0)
    assert seen == pytest.approx([30.0, 30.0], abs=0.01)


def test_dice_follow_the_seed() -> None:
    """Whatever code asks for randomness gets the same again with the same seed."""

    def rolled(seed: str) -> list[object]:
        kernel = Kernel(seed)
        with simulated(kernel):
            return [secrets.token_hex(8), random.random(), random.choice("abc"), secrets.token_urlsafe(5)]

    assert rolled("a") == rolled("a")
    assert rolled("a") != rolled("b")


def test_real_clocks_are_back_afterwards() -> None:
    """Nothing of the simulation stays in the process."""
    before = (time.monotonic, time.sleep, threading.Lock, queue.SimpleQueue, secrets.token_hex)
    run(lambda: None)
    assert before == (time.monotonic, time.sleep, threading.Lock, queue.SimpleQueue, secrets.token_hex)
