"""Turns whose commit failed: what became of it is found out before anything else is stored."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from iris_api.errors import Refused
from iris_api.testing import VirtualClock
from iris_api.threads import ThreadRegistry
from iris_controller.clock import Now
from iris_controller.loop import ControlLoop
from iris_controller.rows import Endpoint, Worker
from iris_controller.rules import Rules
from iris_controller.state import Changes, Draft, State
from iris_controller.store import StateLost
from tests.controller.test_loop import Recorder, on_loop, put


class Doubtful(Recorder):
    """Its first commit raises, stored or not; then it is out of reach for some tries to settle."""

    def __init__(self, stores: bool, unreachable: int = 0) -> None:
        super().__init__()
        self.stores, self.unreachable, self.raises = stores, unreachable, True
        self.settled = 0

    def commit(self, changes: Changes) -> None:
        if self.raises:
            self.raises = False
            if self.stores:
                super().commit(changes)
            raise OSError("the connection is lost")
        super().commit(changes)

    def settle(self) -> bool:
        self.settled += 1
        if self.unreachable:
            self.unreachable -= 1
            raise OSError("the server is away")
        return self.stores


class Taken(Recorder):
    """Another controller has it."""

    def commit(self, changes: Changes) -> None:
        raise StateLost("another controller on host b has it")


class Watched(Recorder):
    """Is to be heard of every 5 s."""

    check_every = 5.0
    checks = 0

    def check(self) -> None:
        self.checks += 1


Make = Callable[..., ControlLoop]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def make(thread_registry: ThreadRegistry, clock: VirtualClock) -> Make:
    def make(store: Recorder, **given: object) -> ControlLoop:
        executor = thread_registry.container.spawn_executor(1, "store")
        parts = {"merged": lambda changes: None, "clock": lambda: Now(clock.now(), clock.wall())} | given
        return ControlLoop(State(), store, rules=Rules(), executor=executor, **parts)  # type: ignore[arg-type]

    return make


@pytest.mark.parametrize("stores", [True, False])
def test_memory_has_what_the_store_has_after_a_commit_in_doubt(make: Make, stores: bool) -> None:
    store = Doubtful(stores)
    merged: list[Changes] = []
    loop = make(store, merged=merged.append)

    async def scenario() -> None:
        with pytest.raises(Refused, match="the connection is lost"):
            await loop.run(put("a"))
        assert loop.state.find(Endpoint, "a") is None
        await loop.run(put("b"))

    on_loop(loop, scenario)
    stored = [row.key for changes in store.commits for row in changes.rows]
    assert [row.key for row in loop.state.everything()] == stored
    assert stored == (["a", "b"] if stores else ["b"])
    assert [row.key for changes in merged for row in changes.rows] == stored
    assert store.settled == 1


def test_nothing_is_done_while_it_cannot_be_settled(make: Make) -> None:
    store = Doubtful(stores=True, unreachable=2)
    loop = make(store)

    async def scenario() -> list[str]:
        refusals = []
        for _ in range(3):
            with pytest.raises(Refused) as refused:
                await loop.run(put("a"))
            refusals.append(refused.value.code + ": " + refused.value.message)
        await loop.run(put("b"))
        return refusals

    assert on_loop(loop, scenario) == [
        "unavailable: not done: OSError: the connection is lost",
        "unavailable: not done: OSError: the server is away",
        "unavailable: not done: OSError: the server is away",
    ]
    assert [row.key for row in loop.state.everything()] == ["a", "b"]


def test_a_loop_whose_state_is_taken_ends_and_tells(make: Make) -> None:
    losses: list[StateLost] = []
    loop = make(Taken(), lost=losses.append)

    async def scenario() -> None:
        for _ in range(2):
            with pytest.raises(Refused, match="another controller on host b has it") as refused:
                await loop.run(put("a"))
            assert refused.value.code == "unavailable"

    on_loop(loop, scenario)
    assert [str(loss) for loss in losses] == ["another controller on host b has it"]
    assert loop.trouble() == "this controller has ended: another controller on host b has it"


def test_a_store_that_asks_for_it_is_heard_of_without_commits(make: Make, clock: VirtualClock) -> None:
    store = Watched()
    loop = make(store)

    async def turn() -> None:
        await loop.run(lambda draft, now: None)

    async def scenario() -> list[int]:
        seen = []
        for seconds in (0, 4.9, 0.2, 4.9, 0.2):
            clock.advance(seconds)
            await turn()
            seen.append(store.checks)
        return seen

    assert on_loop(loop, scenario) == [0, 0, 1, 1, 2]
    assert store.commits == []


def test_who_could_not_be_heard_meanwhile_is_not_blamed(make: Make, clock: VirtualClock) -> None:
    """Reports were refused while the store was away: the grace of workers starts anew when it is back."""
    store = Doubtful(stores=False, unreachable=1)
    store.raises = False
    loop = make(store)

    def join(draft: Draft, now: Now) -> None:
        draft.put(Worker(id="w", incarnation="i", last_seen=now.mono))

    async def scenario() -> None:
        await loop.run(join)
        clock.advance(29)
        store.raises = True
        for _ in range(2):
            with pytest.raises(Refused):
                await loop.run(put("a"))
        await loop.run(put("b"))
        clock.advance(2)
        await loop.run(put("c"))
        assert not loop.state.get(Worker, "w").lost

    on_loop(loop, scenario)


def test_a_store_that_hangs_is_interrupted(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging(Recorder):
        blocking = True

        def __init__(self) -> None:
            super().__init__()
            self.interrupted = threading.Event()

        def commit(self, changes: Changes) -> None:
            assert self.interrupted.wait(10)
            raise OSError("interrupted")

        def interrupt(self) -> None:
            self.interrupted.set()

    monkeypatch.setattr("iris_controller.loop._PATIENCE", 0.05)
    loop = make(Hanging())

    async def scenario() -> None:
        with pytest.raises(Refused, match="interrupted"):
            await loop.run(put("a"))

    on_loop(loop, scenario)
