"""Environments: has the packages of each attempt there before it starts, each set installed once."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from iris_api.platform import Runtime, Sandbox
from iris_api.plugins import PluginCalls, blamed_text
from iris_api.threads import ThreadContainer
from iris_worker.environments.build import Build, Site, is_build, told_of
from iris_worker.environments.cache import Made, PackageCache
from iris_worker.environments.order import Order
from iris_worker.stopping import Stopping

__all__ = ["Environments", "found_first"]

_log = logging.getLogger("iris.worker")
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # where none is known
_ORPHANS: Final = 5.0  # seconds that a start waits for what an earlier process was building to be gone

Watch = Callable[[Callable[[], None]], None]


class Environments:
    """Those of one worker. The directory may be shared with others of the machine. Safe from several
    threads."""

    def __init__(
        self,
        directory: Path,
        runtime: Runtime,
        calls: PluginCalls,
        threads: ThreadContainer,
        *,
        limit: int,
        patience: float,
    ) -> None:
        """`limit` in bytes, `patience` in seconds for one build."""
        self._cache = PackageCache(directory, limit)
        self._threads = threads
        self._site = Site(
            cache=self._cache,
            runtime=runtime,
            calls=calls,
            patience=patience,
            environ=lambda: dict(os.environ),
        )
        self._lock = threading.Lock()
        self._builds: dict[str, Build] = {}
        self._users: dict[str, str] = {}  # keys by the attempts that use them

    def clear_up(self, adopted: Mapping[str, Sandbox]) -> dict[str, Sandbox]:
        """What an earlier process of this worker was building is ended, and removed; the other sandboxes
        that it has left are returned. To be called before the first `prepare`."""
        builds = {uid: sandbox for uid, sandbox in adopted.items() if is_build(uid)}
        for uid, sandbox in builds.items():
            Stopping(sandbox, uid, self._site.calls).ask(0.0)
        for uid, sandbox in builds.items():
            self._see_it_end(uid, sandbox)
        self._cache.sweep()
        return {uid: sandbox for uid, sandbox in adopted.items() if uid not in builds}

    def prepare(self, order: Order, on_stop: Watch) -> Path:
        """The directory of the packages; they stay there until `release`, or for as long as the attempt's
        directory. `on_stop` has a function called when the attempt is stopped. Raises StoppedEarly then,
        BadEnvironment, and what the runtime raises."""
        found = self._find_or_join(order)
        if isinstance(found, Build):
            on_stop(partial(found.leave, order.uid))
            found.wait(order)
        else:
            told_of(found, order.key, order)
        with self._lock:
            self._users[order.uid] = order.key
        return self._cache.packages(order.key)

    def release(self, uid: str) -> None:
        """The attempt has ended. Unknown is fine."""
        with self._lock:
            key = self._users.pop(uid, None)
        if key is not None:
            self._cache.release(key, uid)

    def _see_it_end(self, uid: str, sandbox: Sandbox) -> None:
        """A runtime that fails in it leaves something behind, and does not keep the worker from starting."""
        calls, runtime = self._site.calls, self._site.runtime
        try:
            calls.bounded("wait()", lambda: sandbox.wait(_ORPHANS), 2 * _ORPHANS)
            calls.bounded("forget()", lambda: runtime.forget(uid), _ORPHANS)
        except Exception as error:
            _log.warning("build %s of an earlier process may be left: %s", uid, blamed_text(error))

    def _find_or_join(self, order: Order) -> Made | Build:
        with self._lock:
            build = self._builds.get(order.key)
            if build is not None and build.join(order):
                return build
            return self._find(order) or self._begin(order)

    def _find(self, order: Order) -> Made | None:
        """None also while another process holds the key: to wait for it is what a build begins with."""
        lock = self._cache.lock(order.key)
        if not lock.try_acquire():
            return None
        try:
            made = self._cache.find(order.key)
            if made is not None:
                self._cache.use(order.key, order.uid, order.holder)
            return made
        finally:
            lock.release()

    def _begin(self, order: Order) -> Build:
        build = Build(order, self._site, self._ended)
        self._threads.spawn(lambda _stop: build.run(), name=f"build-{order.key[:12]}", on_stop=build.give_up)
        self._builds[order.key] = build
        return build

    def _ended(self, build: Build, settle: Callable[[], None]) -> None:
        with self._lock:
            settle()
            if self._builds.get(build.key) is build:
                del self._builds[build.key]


def found_first(packages: Path, env: Mapping[str, str], path: str) -> dict[str, str]:
    """The variables by which a task finds these packages before all others, and their programs too. `path` is
    what PATH is where the job's `env` has none."""
    own = env.get("PYTHONPATH")
    return {
        "PYTHONPATH": f"{packages}{os.pathsep}{own}" if own else str(packages),
        "PATH": os.pathsep.join((str(packages / "bin"), env.get("PATH") or path or _PATH)),
    }
