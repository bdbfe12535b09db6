"""Two lanes with a share each of every turn, and what happens when workers' reports pile up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from iris_api.errors import Refused
from iris_controller.clock import Now
from iris_controller.inbox import Batch, Inbox, resolve
from iris_controller.rows import Endpoint
from iris_controller.state import Draft, State

NOW = Now(mono=0.0, wall=0.0)


def writes(count: int, done: list[str], name: str) -> Callable[[Draft, Now], str]:
    """A command that writes so many rows."""

    def command(draft: Draft, _now: Now) -> str:
        for number in range(count):
            draft.put(Endpoint(uid=f"{name}-{number}", name="/x", address="http://h:1"))
        done.append(name)
        return name

    return command


def turn(inbox: Inbox) -> Batch:
    batch: Batch = []
    inbox.carry_out(Draft(State()), NOW, batch)
    resolve(batch)
    return batch


def run(scenario: Callable[[Inbox], Any]) -> None:
    async def main() -> None:
        scenario(Inbox())

    asyncio.run(main())


def test_neither_lane_can_starve_the_other() -> None:
    def scenario(inbox: Inbox) -> None:
        done: list[str] = []
        for number in range(100):
            inbox.put(writes(100, done, f"report{number}"), report=1)
        for number in range(100):
            inbox.put(writes(100, done, f"call{number}"), None)
        turn(inbox)
        calls, reports = [name for name in done if "call" in name], [name for name in done if "rep" in name]
        assert 0 < len(calls) < 10
        assert 0 < len(reports) < 10
        assert inbox
        while inbox:
            turn(inbox)
        assert len(done) == 200
        assert [name for name in done if "call" in name] == [f"call{number}" for number in range(100)]

    run(scenario)


def test_a_command_larger_than_a_share_is_carried_out_whole() -> None:
    def scenario(inbox: Inbox) -> None:
        done: list[str] = []
        future = inbox.put(writes(5_000, done, "large"), None)
        turn(inbox)
        assert future.result() == "large"

    run(scenario)


def test_a_report_whose_worker_has_gone_is_passed_over() -> None:
    def scenario(inbox: Inbox) -> None:
        done: list[str] = []
        inbox.put(writes(1, done, "gone"), report=1).cancel()
        inbox.put(writes(1, done, "here"), report=1)
        turn(inbox)
        assert done == ["here"]

    run(scenario)


def test_a_call_whose_caller_has_gone_is_carried_out() -> None:
    """It may have been told elsewhere that it was accepted, as a submit that is tried again."""

    def scenario(inbox: Inbox) -> None:
        done: list[str] = []
        inbox.put(writes(1, done, "gone"), None).cancel()
        turn(inbox)
        assert done == ["gone"]

    run(scenario)


def test_it_is_behind_while_many_attempts_wait_to_be_reported() -> None:
    def scenario(inbox: Inbox) -> None:
        done: list[str] = []
        for number in range(81):
            assert not inbox.behind
            inbox.put(writes(100, done, f"{number}"), report=100)
        assert inbox.behind
        turn(inbox)
        assert not inbox.behind
        inbox.put(writes(1, done, "many"), report=9_000)
        assert inbox.behind
        inbox.refuse(Refused("unavailable", "the controller is stopping"))
        assert not inbox.behind
        assert not inbox

    run(scenario)
