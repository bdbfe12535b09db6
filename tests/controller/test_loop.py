"""The control loop: batches, isolation, supervision and health."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

from iris_api.errors import Refused
from iris_api.testing import VirtualClock, wait_for_condition
from iris_api.threads import ThreadRegistry
from iris_controller.clock import Now
from iris_controller.loop import ControlLoop
from iris_controller.rows import Endpoint
from iris_controller.rules import Rules
from iris_controller.state import Changes, Draft, State
from iris_controller.store import MemoryStore
from tests.controller.conftest import Start

T = TypeVar("T")


def endpoint(uid: str) -> Endpoint:
    return Endpoint(uid=uid, name="/x", address="http://h:1")


def put(uid: str) -> Callable[[Draft, Now], str]:
    def command(draft: Draft, _now: Now) -> str:
        draft.put(endpoint(uid))
        return uid

    return command


def boom(draft: Draft, _now: Now) -> None:
    draft.put(endpoint("half"))
    raise ValueError("boom")


class Recorder(MemoryStore):
    """A real store that also tells what it was given, and fails as often as told."""

    def __init__(self, failures: int = 0) -> None:
        self.commits: list[Changes] = []
        self.failures = failures

    def commit(self, changes: Changes) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("disk full")
        self.commits.append(changes)


class Blocking(Recorder):
    """Its commits wait until the test lets them go on."""

    blocking = True

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go_on = threading.Event(), threading.Event()

    def commit(self, changes: Changes) -> None:
        self.begun.set()
        assert self.go_on.wait(10)
        super().commit(changes)


@pytest.fixture
def make(thread_registry: ThreadRegistry) -> Callable[..., ControlLoop]:
    def make(store: Recorder, clock: VirtualClock | None = None) -> ControlLoop:
        executor = thread_registry.container.spawn_executor(1, "store")
        given: dict[str, Any] = {} if clock is None else {"clock": lambda: Now(clock.now(), clock.wall())}
        given |= {"rules": Rules(), "executor": executor, "merged": lambda changes: None}
        return ControlLoop(State(), store, **given)

    return make


def on_loop(loop: ControlLoop, scenario: Callable[[], Coroutine[Any, Any, T]]) -> T:
    async def main() -> T:
        loop.start()
        try:
            async with asyncio.timeout(10):
                return await scenario()
        finally:
            await loop.close()

    return asyncio.run(main())


def test_commands_that_wait_are_stored_together(make: Callable[..., ControlLoop]) -> None:
    store = Recorder()
    loop = make(store)

    async def scenario() -> list[str]:
        return await asyncio.gather(*(loop.run(put(uid)) for uid in "abc"))

    assert on_loop(loop, scenario) == ["a", "b", "c"]
    assert [len(changes.rows) for changes in store.commits] == [3]


def test_a_command_that_raises_is_undone_alone(make: Callable[..., ControlLoop]) -> None:
    store = Recorder()
    loop = make(store)

    async def scenario() -> Any:
        commands = (loop.run(put("a")), loop.run(boom), loop.run(put("b")))
        return await asyncio.gather(*commands, return_exceptions=True)

    first, failed, last = on_loop(loop, scenario)
    assert (first, str(failed), last) == ("a", "boom", "b")
    assert [row.key for row in loop.state.everything()] == ["a", "b"]


def test_a_refusal_that_is_returned_keeps_what_it_changed(make: Callable[..., ControlLoop]) -> None:
    loop = make(Recorder())

    def command(draft: Draft, _now: Now) -> Refused:
        draft.put(endpoint("kept"))
        return Refused("aborted", "try again")

    async def scenario() -> None:
        with pytest.raises(Refused, match="try again"):
            await loop.run(command)

    on_loop(loop, scenario)
    assert loop.state.find(Endpoint, "kept") is not None


def test_nothing_is_seen_before_it_is_stored(make: Callable[..., ControlLoop]) -> None:
    store = Blocking()
    loop = make(store)

    async def scenario() -> None:
        answer = asyncio.ensure_future(loop.run(put("a")))
        await asyncio.to_thread(store.begun.wait, 10)
        assert loop.state.find(Endpoint, "a") is None
        assert not answer.done()
        store.go_on.set()
        await answer
        assert loop.state.find(Endpoint, "a") is not None

    on_loop(loop, scenario)


def test_a_store_that_fails_is_told_to_the_caller_and_to_health(make: Callable[..., ControlLoop]) -> None:
    loop = make(Recorder(failures=1))

    async def scenario() -> str:
        with pytest.raises(Refused, match="not done: OSError: disk full"):
            await loop.run(put("a"))
        assert "failed once, last of OSError: disk full" in loop.trouble()
        return await loop.run(put("a"))

    assert on_loop(loop, scenario) == "a"
    assert loop.trouble() == ""


def test_a_turn_that_does_not_end_is_told_to_health(make: Callable[..., ControlLoop]) -> None:
    store, clock = Blocking(), VirtualClock()
    loop = make(store, clock)

    async def scenario() -> None:
        answer = asyncio.ensure_future(loop.run(put("a")))
        await asyncio.to_thread(store.begun.wait, 10)
        assert loop.trouble() == ""
        clock.advance(11)
        assert loop.trouble() == "the control loop has made no turn for 11 s though commands wait"
        store.go_on.set()
        await answer
        assert loop.trouble() == ""

    on_loop(loop, scenario)


def test_a_closed_loop_refuses(make: Callable[..., ControlLoop]) -> None:
    loop = make(Recorder())

    async def scenario() -> None:
        await loop.close()
        with pytest.raises(Refused, match="is stopping"):
            await loop.run(put("a"))

    on_loop(loop, scenario)


def test_a_lease_ends_without_a_command(start: Start) -> None:
    from iris_api.rpc import cluster_pb2 as pb

    client = start()
    message = pb.Endpoint(uid="e", name="/x", address="http://h:1")
    client.call("Endpoints/Register", pb.RegisterEndpointRequest(endpoint=message, lease_seconds=0.05))
    request = pb.ListEndpointsRequest(name="/x")
    wait_for_condition(lambda: not client.call("Endpoints/List", request).endpoints)


def test_health_gives_the_reason(start: Start) -> None:
    class Broken(MemoryStore):
        def commit(self, changes: Changes) -> None:
            raise OSError("disk full")

    client = start(store=Broken())
    assert client.http("GET", "/health")[:2] == (200, b'{"status": "ok"}')
    with pytest.raises(Refused, match="disk full"):
        client.submit()
    status, body, _ = client.http("GET", "/health")
    assert (status, "disk full" in json.loads(body)["reason"]) == (503, True)
