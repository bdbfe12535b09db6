"""A runtime of processes that promises everything: every rule of the kit has a real one that keeps it.

Mounts are made in a namespace, memory limits by looking, and commands run in the workdir of a task.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from attrs import evolve

from iris_api.errors import PlatformError
from iris_api.jobs import Entry
from iris_api.platform import Exit, ExitKind, Launch, Mount, Runtime, Sandbox, Stats
from iris_api.supervised.runtime import SupervisedRuntime
from iris_api.testing import RuntimeConformance
from iris_api.threads import ThreadContainer, get_thread_registry

__all__ = ["AbleKit", "AbleRuntime", "AbleSandbox"]

_LOOK = 0.01  # seconds between two looks at the memory of a task
_MAY_MOUNT = os.geteuid() == 0 and shutil.which("unshare") is not None


class AbleSandbox(Sandbox):
    """`inner` is the process group."""

    def __init__(self, inner: Sandbox, launch: Launch, threads: ThreadContainer) -> None:
        self.uid, self.inner, self.launch = inner.uid, inner, launch
        self._peak = 0  # of a task that has gone over its limit
        if launch.limits.memory:
            threads.spawn(self._watch, f"memory-{self.uid}")

    def wait(self, timeout: float | None = None) -> Exit | None:
        end = self.inner.wait(timeout)
        if end is None or not self._peak:
            return end
        peak = max(self._peak, end.memory_peak or 0)
        return Exit(kind=ExitKind.OUT_OF_MEMORY, memory_peak=peak, message="out of memory")

    def stop(self, grace: float) -> None:
        self.inner.stop(grace)

    def stats(self) -> Stats | None:
        return self.inner.stats()

    def exec(self, argv: Sequence[str]) -> tuple[int, bytes]:
        if self.inner.wait(0) is not None:
            raise PlatformError(f"attempt {self.uid} has ended")
        done = subprocess.run(argv, cwd=self.launch.workdir, stdout=subprocess.PIPE, check=False)
        return done.returncode, done.stdout

    def _watch(self, stop: threading.Event) -> None:
        while not stop.is_set() and self.inner.wait(_LOOK) is None:
            found = self.inner.stats()
            if found is not None and found.memory > self.launch.limits.memory:
                self._peak = found.memory
                self.inner.stop(0)
                return


class AbleRuntime(SupervisedRuntime):
    """Made as the process platform makes one."""

    def __init__(self, directory: Path | None) -> None:
        self._watchers = get_thread_registry().container.child("memory")
        super().__init__(directory, get_thread_registry().container)

    def start(self, launch: Launch) -> Sandbox:
        inner = super().start(evolve(launch, entry=_mounted(launch.entry, launch.mounts)))
        return AbleSandbox(inner, launch, self._watchers)

    def close(self) -> None:
        super().close()
        self._watchers.stop()


class AbleKit(RuntimeConformance):
    """On directories of the test's own."""

    runtime_class: type[AbleRuntime] = AbleRuntime
    not_promised: ClassVar = {} if _MAY_MOUNT else {"mounts": "needs root and unshare"}

    @pytest.fixture
    def directory(self, tmp_path: Path) -> Path | None:
        return tmp_path / "sandboxes"

    @pytest.fixture
    def make_runtime(self, directory: Path | None) -> Iterator[Callable[[], Runtime]]:
        made: list[AbleRuntime] = []

        def make() -> Runtime:
            made.append(self.runtime_class(directory))
            return made[-1]

        yield make
        for runtime in made:
            runtime.close()


def _mounted(entry: Entry, mounts: tuple[Mount, ...]) -> Entry:
    """The same in a namespace of its own, where there are mounts."""
    if not mounts:
        return entry
    script = "\n".join(line for mount in mounts for line in _mount(mount))
    inside = ("/bin/sh", "-ec", f'{script}\nexec "$@"', "sh", *entry.argv)
    return evolve(entry, argv=("unshare", "--mount", "--propagation", "private", *inside))


def _mount(mount: Mount) -> Iterator[str]:
    source, target = shlex.quote(str(mount.source)), shlex.quote(str(mount.target))
    if mount.source.is_dir():
        yield f"mkdir -p {target}"
    else:
        yield f"mkdir -p {shlex.quote(str(mount.target.parent))} && touch {target}"
    yield f"mount --bind {source} {target}"
    if mount.read_only:
        yield f"mount -o remount,bind,ro {target}"
