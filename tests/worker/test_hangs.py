"""A runtime that does not return is told of while its worker works: in the log and to the controller."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define, frozen

from iris.cluster.host import WorkerHost
from iris_api.config import parse_config, select
from iris_api.context import WorkerSpec
from iris_api.credentials import Token
from iris_api.hookspecs import hookimpl
from iris_api.platform import Platform, Runtime
from iris_api.plugins import Plugins
from iris_api.provider import Provider
from iris_api.testing import VirtualClock, wait_for_condition
from iris_api.threads import get_thread_registry
from iris_worker import Worker, WorkerConfig
from tests.controller.client import TOKEN, Client
from tests.worker.acme import ACME, Acme
from tests.worker.conftest import Serve


@define
class Hanging:
    """The start of the first attempt on `runtime` waits for `gate`."""

    gate: threading.Event
    entered: threading.Event
    clock: VirtualClock

    def runtime(self) -> Runtime:
        return Acme(on_start=self._hang)

    def _hang(self) -> None:
        self.entered.set()
        self.gate.wait()


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    made = Hanging(threading.Event(), threading.Event(), VirtualClock())
    yield made
    made.gate.set()


@pytest.fixture
def controller(serve: Serve) -> Client:
    return serve("one")


def test_a_worker_logs_once_that_its_runtime_hangs(
    controller: Client, hanging: Hanging, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = WorkerConfig(
        worker_id="w-1",
        controller_address=controller.address,
        token=Token(TOKEN),
        directory=tmp_path,
        attributes={"pool": "default"},
    )
    clock = hanging.clock
    worker = Worker(config, hanging.runtime(), plugin=ACME, clock=clock.now, period=0.02)
    worker.start()
    controller.submit()
    assert hanging.entered.wait(20)
    assert worker.hangs() == []
    clock.advance(130)
    said = f"worker w-1: plugin {ACME} has not returned from start() for 130 s"
    wait_for_condition(lambda: said in caplog.text, message="a line in the log")
    clock.advance(10)
    assert worker.hangs() == [f"worker w-1: plugin {ACME} has not returned from start() for 140 s"]
    hanging.gate.set()
    wait_for_condition(lambda: not worker.hangs())
    worker.stop()
    assert caplog.text.count("has not returned from") == 1


class AcmePlatform(Platform):
    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def close(self) -> None:
        """Nothing is open."""


def plugins_with(runtime: Runtime) -> Plugins:
    @frozen
    class Options:
        """It has none."""

    class Plugin:
        @hookimpl
        def iris_platform(self) -> Provider[Any, Platform]:
            return Provider(Options, lambda _options, _context: AcmePlatform(runtime), "of a test")

    plugins = Plugins()
    plugins.register(Plugin(), name="acme")
    return plugins


def test_a_host_s_troubles_name_the_runtime_that_hangs(
    controller: Client, hanging: Hanging, tmp_path: Path
) -> None:
    config = parse_config('[pools.default]\nplatform = "local"\nruntime = "acme"\n')
    host = WorkerHost(
        config,
        select(config, plugins_with(hanging.runtime())),
        controller=controller.address,
        token=Token(TOKEN),
        directory=tmp_path,
        survives=False,
        threads=get_thread_registry().container.child("host"),
        clock=hanging.clock.now,
    )
    host.run(WorkerSpec(worker_id="w-1", pool="default", slice_id="s-1"))
    controller.submit()
    assert hanging.entered.wait(20)
    assert host.troubles() == []
    hanging.clock.advance(130)
    assert host.troubles() == [
        "worker w-1: plugin 'acme' (registered by the program) has not returned from start() for 130 s"
    ]
    hanging.gate.set()
    host.stop()
