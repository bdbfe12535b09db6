"""A platform's methods that hang, raise or return nonsense: named, and no other pool stands still for it."""

from __future__ import annotations

import json
import logging
import threading
import urllib.request
from collections.abc import Sequence
from typing import Any

import pytest

from iris_api.platform import Machines, Slice
from iris_api.testing import VirtualClock, wait_for_condition
from iris_controller.controller import Controller, ControllerConfig
from iris_controller.pools import Pool, PoolKeeper
from tests.controller.test_pools import FakeMachines

ACME = "'acme' (iris-acme 1.0)"
WAY_OUT = "; install another version of its package"


class Hanging(FakeMachines):
    """`list` does not come back before `gate` is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.entered = threading.Event(), threading.Event()

    def list(self) -> Sequence[Slice]:
        self.entered.set()
        self.gate.wait()
        return super().list()


def pool(machines: Machines, name: str = "p") -> Pool:
    return Pool(name=name, machines=machines, min=1, plugin=ACME)


def test_a_platform_that_hangs_is_named_and_the_other_pools_go_on(caplog: pytest.LogCaptureFixture) -> None:
    clock, stuck, well = VirtualClock(), Hanging(), FakeMachines()
    keeper = PoolKeeper([pool(stuck), pool(well, "q")], clock=clock.now, period=0.01)
    with caplog.at_level(logging.ERROR, "iris.pools"):
        keeper.start()
        stuck.entered.wait()
        wait_for_condition(lambda: bool(well.slices))
        clock.advance(31)
        wait_for_condition(lambda: bool(caplog.records))
        told = keeper.troubles()
        stuck.gate.set()
        wait_for_condition(lambda: bool(stuck.slices) and not keeper.troubles())
        keeper.stop()
    assert told["p"] == (
        "pool p: plugin 'acme' (iris-acme 1.0) has not returned from list() for 31 s; "
        "nothing is made or deleted there until it does"
    )
    assert [record.getMessage() for record in caplog.records] == [told["p"]]


class Broken(FakeMachines):
    """`list` raises or returns what it was given."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def list(self) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (ZeroDivisionError("x"), f"ZeroDivisionError: x (raised by iris plugin {ACME} in list())"),
        (
            None,
            f"PluginError: plugin {ACME}: list() must return a Sequence, and returned NoneType{WAY_OUT}",
        ),
        (
            [7],
            f"PluginError: plugin {ACME}: each item of list() must return a Slice, and returned int{WAY_OUT}",
        ),
    ],
)
def test_a_platform_that_fails_is_named_in_the_reason(answer: Any, reason: str) -> None:
    one = pool(Broken(answer))
    keeper = PoolKeeper([one], clock=VirtualClock().now)
    assert keeper.step(one) is False
    assert keeper.waits()["p"].reason == reason


def test_a_create_that_returns_no_slice_is_named() -> None:
    class Silent(FakeMachines):
        def create(self, request: Any) -> Any:
            return None

    one = pool(Silent())
    keeper = PoolKeeper([one], clock=VirtualClock().now)
    keeper.step(one)
    assert keeper.waits()["p"].reason.endswith(
        f"create() must return a Slice, and returned NoneType{WAY_OUT}"
    )


def test_health_lists_what_stands_still_and_stays_ok() -> None:
    controller = Controller(ControllerConfig())
    controller.tell_of(lambda: ["pool p: plugin hangs"])
    controller.start()
    try:
        with urllib.request.urlopen(f"{controller.address}/health", timeout=10) as answer:
            told = json.load(answer)
    finally:
        controller.stop()
    assert told == {"status": "ok", "troubles": ["pool p: plugin hangs"]}
