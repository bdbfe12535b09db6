"""The instructions at which a controller or a worker dies: a name, where that is, and how many passes it
may take to get there."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any, Final

from attrs import frozen

__all__ = ["POINTS", "Point"]


@frozen
class Point:
    """Before or after a call of `function` (``Class.method`` or a name) as `module` sees it. `side` is the
    process that passes it; `most`: the largest number of passes to wait for; `starting`: it is passed only
    while that process starts; `kind`: the sort of job that passes it, where not every one does."""

    side: str
    module: str
    function: str
    after: bool = False
    most: int = 1
    starting: bool = False
    kind: str = ""

    def find(self) -> tuple[Any, str, Callable[..., Any]]:
        """Owner, name and function. Raises LookupError where there is none any more."""
        owner: Any = importlib.import_module(self.module)
        *path, name = self.function.split(".")
        try:
            for part in path:
                owner = getattr(owner, part)
            function = inspect.getattr_static(owner, name)
        except AttributeError:
            raise LookupError(f"{self.module} has no {self.function} any more") from None
        if not inspect.isfunction(function):
            raise LookupError(f"{self.module}.{self.function} is no plain function or method")
        return owner, name, function


def _controller(module: str, function: str, **options: Any) -> Point:
    return Point("controller", f"iris_controller.{module}", function, **options)


def _worker(module: str, function: str, **options: Any) -> Point:
    return Point("worker", module, function, **options)


POINTS: Final[dict[str, Point]] = {
    # while it starts
    "controller locked its state": _controller("store.lock", "StateLock.__init__", after=True, starting=True),
    "controller reads rows": _controller("store.loading", "_all", most=5, starting=True),
    "controller before restoring": _controller("controller", "restore", starting=True),
    "controller restored": _controller("controller", "restore", after=True, starting=True),
    "controller about to listen": _controller("controller", "Controller._serve", starting=True),
    "controller before its first turns": _controller("loop", "ControlLoop._turn", most=3, starting=True),
    "controller after its first turns": _controller(
        "loop", "ControlLoop._turn", after=True, most=3, starting=True
    ),
    "controller before removing strays": _controller("pruner", "Pruner._remove_strays", starting=True),
    "controller after forgetting": _controller("pruner", "Pruner._forget", after=True, starting=True),
    # a change
    "controller after a turn": _controller("loop", "ControlLoop._turn", after=True, most=40),
    "controller before a commit": _controller("store.sql", "SqlStore.commit", most=30),
    "controller in a transaction": _controller("store.sql", "SqlStore._execute", after=True, most=30),
    "controller after a commit": _controller("store.sql", "SqlStore.commit", after=True, most=30),
    "controller merged, not answered": _controller("loop", "ControlLoop._take_over", after=True, most=30),
    "controller before a submit": _controller("service", "ControllerService.submit_job", most=8),
    "controller after a submit": _controller("service", "ControllerService.submit_job", after=True, most=8),
    "controller decided a submit": _controller("service", "submit", after=True, most=8),
    "controller before a terminate": _controller(
        "service", "ControllerService.terminate_jobs", most=2, kind="cancelled"
    ),
    "controller after a terminate": _controller(
        "service", "ControllerService.terminate_jobs", after=True, most=2, kind="cancelled"
    ),
    # what workers tell
    "controller before a reconcile": _controller("workers_service", "WorkersService.reconcile", most=30),
    "controller after a reconcile": _controller(
        "workers_service", "WorkersService.reconcile", after=True, most=30
    ),
    "controller before observing": _controller("workers_service", "observe", most=30),
    "controller after observing": _controller("workers_service", "observe", after=True, most=30),
    "controller before a log write": _controller("logs", "LogStore._write", most=20, kind="lines"),
    "controller after a log write": _controller("logs", "LogStore._write", after=True, most=20, kind="lines"),
    "controller before keeping a bundle": _controller(
        "bundles", "BundleStore.keep", most=2, kind="workspace"
    ),
    "controller after keeping a bundle": _controller(
        "bundles", "BundleStore.keep", after=True, most=2, kind="workspace"
    ),
    "controller before an endpoint": _controller("endpoints_service", "register", most=2, kind="endpoint"),
    "controller after an endpoint": _controller(
        "endpoints_service", "EndpointsService.register", after=True, most=2, kind="endpoint"
    ),
    # a worker that starts
    "worker before adopting": _worker("iris_worker.attempts", "Attempts.adopt", starting=True),
    "worker adopted one": _worker(
        "iris_api.supervised.runtime", "SupervisedRuntime._adopt", after=True, starting=True
    ),
    "worker adopted all": _worker("iris_worker.attempts", "Attempts.adopt", after=True, starting=True),
    # an attempt that starts
    "worker knows its desire": _worker("iris_worker.attempts", "Attempts.act", most=12),
    "worker has carried it out": _worker("iris_worker.attempts", "Attempts.act", after=True, most=12),
    "worker before building": _worker("iris_worker.launch", "Launcher.start", most=8),
    "worker before unpacking": _worker("iris_worker.bundle", "unpack", most=2, kind="workspace"),
    "worker after unpacking": _worker("iris_worker.bundle", "unpack", after=True, most=2, kind="workspace"),
    "worker fetched a bundle": _worker(
        "iris_worker.bundle", "Bundles._download", after=True, most=2, kind="workspace"
    ),
    "worker is making a folder": _worker("iris_api.supervised.folder", "Folder._write", most=12),
    "worker made a folder": _worker("iris_api.supervised.folder", "Folder.create", after=True, most=8),
    "worker before a supervisor": _worker("iris_api.supervised.runtime", "SupervisedRuntime._spawn", most=8),
    "worker after a supervisor": _worker(
        "iris_api.supervised.runtime", "SupervisedRuntime._spawn", after=True, most=8
    ),
    "worker has a sandbox": _worker("iris_worker.launch", "Launcher.start", after=True, most=8),
    # an attempt that runs and ends
    "worker before sending a log": _worker("iris_worker.logs", "LogPusher._send", most=20, kind="lines"),
    "worker after sending a log": _worker(
        "iris_worker.logs", "LogPusher._send", after=True, most=20, kind="lines"
    ),
    "worker before a stop": _worker("iris_worker.attempt", "AttemptRun.stop", most=3, kind="cancelled"),
    "worker after a stop": _worker(
        "iris_worker.attempt", "AttemptRun.stop", after=True, most=3, kind="cancelled"
    ),
    "worker before an end is seen": _worker(
        "iris_api.supervised.sandbox", "SupervisedSandbox._finish", most=8
    ),
    "worker before draining": _worker("iris_worker.attempt", "AttemptRun._drain", most=8),
    "worker after draining": _worker("iris_worker.attempt", "AttemptRun._drain", after=True, most=8),
    "worker told of an end": _worker("iris_worker.attempts", "Attempts.forget", most=20),
    "worker before removing": _worker("iris_worker.attempt", "AttemptRun.remove", most=8),
    "worker after removing": _worker("iris_worker.attempt", "AttemptRun.remove", after=True, most=8),
    "worker before removing a folder": _worker("iris_api.supervised.folder", "Folder.remove", most=8),
}
