"""A runtime of a plugin `acme` that does what a test gives it, and the attempts of a worker on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import define, field

from iris_api.jobs import Entry
from iris_api.platform import Exit, ExitKind, Launch, LogSink, Runtime, Sandbox
from iris_api.plugins import PluginCalls
from iris_api.rpc import cluster_pb2 as pb
from iris_api.rpc.client import RpcClient
from iris_api.threads import get_thread_registry
from iris_worker.attempts import Attempts
from iris_worker.config import WorkerConfig
from iris_worker.contact import Contact
from iris_worker.logs import LogPusher
from iris_worker.news import News

__all__ = ["ACME", "Acme", "AcmeBox", "attempts_on", "desire", "fail"]

ACME = "'acme' (iris-acme 1.0)"
DONE = Exit(kind=ExitKind.EXITED, code=0)


def fail(*_: Any) -> Any:
    raise ZeroDivisionError("x")


@define
class AcmeBox(Sandbox):
    uid: str
    on_wait: Callable[[], Any]
    on_stop: Callable[[], Any]

    def wait(self, timeout: float | None = None) -> Any:
        return self.on_wait()

    def stop(self, grace: float) -> None:
        self.on_stop()


@define
class Acme(Runtime):
    """Every method answers what it was given; by default it is a runtime whose attempts end at once."""

    on_wait: Callable[[], Any] = lambda: DONE
    on_stop: Callable[[], Any] = lambda: None
    on_forget: Callable[[str], Any] = lambda _uid: None
    on_adopt: Callable[[], Any] = lambda: ()
    on_start: Callable[[], Any] = lambda: None
    on_workdir: Callable[[], Any] = lambda: True
    forgotten: list[str] = field(factory=list)

    def wants_workdir(self, entry: Entry) -> Any:
        return self.on_workdir()

    def start(self, launch: Launch) -> Sandbox:
        self.on_start()
        return AcmeBox(launch.uid, self.on_wait, self.on_stop)

    def adopt(self, sink_for: Callable[[str], LogSink]) -> Any:
        return self.on_adopt()

    def forget(self, uid: str) -> None:
        self.forgotten.append(uid)
        self.on_forget(uid)


def attempts_on(runtime: Runtime, directory: Path, calls: PluginCalls | None = None) -> Attempts:
    """Those of a worker without a controller, whose sweep is at work."""
    config = WorkerConfig(worker_id="w", controller_address="http://127.0.0.1:9", directory=directory)
    contact = Contact(config)
    threads = get_thread_registry().container.child("worker")
    pusher = LogPusher(RpcClient(config.controller_address, None), lambda: "")
    attempts = Attempts(config, runtime, pusher, contact, News(), threads, calls or PluginCalls(ACME))
    attempts.sweep(threads)
    return attempts


def desire(*uids: str) -> pb.ReconcileReply:
    """That these attempts run, and no others."""
    entry = pb.Entry(command=pb.Command(argv=["true"]))
    run = pb.RunSpec(task_id="job:0", num_tasks=1, entry=entry)
    return pb.ReconcileReply(attempts=[pb.DesiredAttempt(uid=uid, run=run) for uid in uids])
