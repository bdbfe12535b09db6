"""A runtime that raises, returns nonsense or hangs is named with its plugin."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from attrs import define

from iris_api.platform import Exit, ExitKind, Runtime
from iris_api.plugins import PluginCalls
from iris_api.rpc import cluster_pb2 as pb
from iris_api.rpc.client import RpcClient
from iris_api.testing import VirtualClock
from iris_api.threads import get_thread_registry
from iris_worker.attempt import AttemptRun
from iris_worker.config import WorkerConfig
from iris_worker.contact import Contact
from iris_worker.environments import Environments
from iris_worker.launch import Launcher
from iris_worker.logs import AttemptLog, LogPusher
from iris_worker.news import News
from iris_worker.ports import Ports

ACME = "'acme' (iris-acme 1.0)"
SPEC = pb.RunSpec(task_id="job:0", num_tasks=1, entry=pb.Entry(command=pb.Command(argv=["true"])))


@define
class Broken(Runtime):
    """`start` is what it was given."""

    answer: Callable[[], Any]

    def start(self, launch: object) -> Any:
        return self.answer()


def run_on(runtime: Runtime, directory: Path, calls: PluginCalls) -> Exit | None:
    """How an attempt on this runtime ends."""
    config = WorkerConfig(worker_id="w", controller_address="http://127.0.0.1:9", directory=directory)
    threads = get_thread_registry().container
    environments = Environments(directory / "e", runtime, calls, threads, limit=0, patience=1.0)
    launcher = Launcher(config, runtime, Ports(), Contact(config), calls, environments)
    rpc = RpcClient(config.controller_address, None)
    log = AttemptLog("uid", SPEC.task_id, LogPusher(rpc, lambda: ""))
    start = partial(launcher.start, spec=SPEC)
    attempt = AttemptRun(
        "uid",
        log,
        start=start,
        directory=directory / "uid",
        news=News(),
        calls=calls,
        spawn=partial(get_thread_registry().container.spawn, name="uid"),
    )
    attempt.live(threading.Event())
    rpc.close()
    return attempt.observation.exit


def _raise(error: Exception) -> Any:
    raise error


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (
            partial(_raise, OSError("no disk")),
            ExitKind.ENVIRONMENT,
            f"it could not be started: no disk (raised by iris plugin {ACME} in start())",
        ),
        (
            partial(_raise, ZeroDivisionError("x")),
            ExitKind.UNKNOWN,
            f"ZeroDivisionError: x (raised by iris plugin {ACME} in start())",
        ),
        (
            lambda: None,
            ExitKind.ENVIRONMENT,
            f"it could not be started: plugin {ACME}: start() must return a Sandbox, and returned NoneType; "
            "install another version of its package",
        ),
    ],
)
def test_a_runtime_that_fails_is_named_in_the_attempt_s_end(
    answer: Callable[[], Any], kind: ExitKind, message: str, tmp_path: Path
) -> None:
    ended = run_on(Broken(answer), tmp_path, PluginCalls(ACME))
    assert ended == Exit(kind=kind, message=message)


def test_a_runtime_that_hangs_is_overdue(tmp_path: Path) -> None:
    clock, told = VirtualClock(), list[str]()
    calls = PluginCalls(ACME, clock=clock.now)

    def answer() -> None:
        clock.advance(130)
        told.extend(calls.overdue(120))

    run_on(Broken(answer), tmp_path, calls)
    assert told == [f"plugin {ACME} has not returned from start() for 130 s"]
