"""Build: one installation, for all attempts that want the same at that time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from attrs import evolve, frozen

from iris_api.errors import JobFault, PlatformError
from iris_api.jobs import Entry
from iris_api.platform import Exit, ExitKind, Launch, Lease, Runtime, Sandbox
from iris_api.plugins import PluginCalls, blamed_text
from iris_worker.environments.cache import KeyLock, Made, PackageCache
from iris_worker.environments.faults import Fault, explain
from iris_worker.environments.installer import command, find_uv, handed_env, handed_mounts
from iris_worker.environments.order import Order
from iris_worker.errors import StoppedEarly
from iris_worker.stopping import Stopping

__all__ = ["Build", "NoLog", "Site", "is_build", "told_of"]

_SUFFIX: Final = "-build"  # of the uid of the attempt that a build is
_OUTPUT: Final = 4 * 2**20  # bytes that a build may print
_ORPHAN: Final = Lease(grace=5.0, absence=5.0)  # without its worker nobody waits for it
_LOOK: Final = 0.1  # seconds between looks whether another worker has finished
_END: Final = 30.0  # seconds that an installer may take to end when it is killed


@frozen(kw_only=True)
class Site:
    """What all builds of a worker share. `patience`: seconds that one may take. `environ` is the worker's."""

    cache: PackageCache
    runtime: Runtime
    calls: PluginCalls
    patience: float
    environ: Callable[[], dict[str, str]]


class Build:
    """`run` is a thread's; all else is for any. It is given up when the last that waits for it leaves."""

    def __init__(self, order: Order, site: Site, ended: Callable[[Build, Callable[[], None]], None]) -> None:
        """`ended` is called with a function, which it calls while nobody can join, nor look for the key."""
        self.key = order.key
        self._order, self._site, self._on_end = order, site, ended
        self._changed = threading.Condition()
        self._waiting: dict[str, Order] = {order.uid: order}
        self._printed: list[tuple[str, int]] = []
        self._sandbox: Stopping | None = None
        self._closed = False  # given up, or over
        self._fault: Fault | Exception | None = None
        self._over = False

    def join(self, order: Order) -> bool:
        """Wait for it too; False if it is too late for that. What it has printed so far comes to the log."""
        with self._changed:
            if self._closed:
                return False
            self._waiting[order.uid] = order
            for line, timestamp in self._printed:
                order.log.write("build", line, timestamp)
            return True

    def leave(self, uid: str) -> None:
        """An attempt is stopped: it waits no more. Returns at once."""
        with self._changed:
            self._waiting.pop(uid, None)
        self._stop_if_left()

    def give_up(self) -> None:
        """Everybody leaves."""
        with self._changed:
            self._waiting.clear()
        self._stop_if_left()

    def wait(self, order: Order) -> None:
        """Until it is over. Raises StoppedEarly for an attempt that has left, BadEnvironment and what else
        went wrong."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or order.uid not in self._waiting)
            if order.uid not in self._waiting:
                raise StoppedEarly(f"attempt {order.uid} was stopped before its packages were installed")
        if isinstance(self._fault, Fault):
            raise order.refusal(self._fault)
        if self._fault is not None:
            why = f"the job's environment could not be built: {blamed_text(self._fault)}"
            kind = JobFault if isinstance(self._fault, JobFault) else PlatformError
            raise kind(why) from self._fault

    def write(self, _source: str, data: str, timestamp_us: int) -> None:
        """As the sink of the installer."""
        with self._changed:
            self._printed.append((data, timestamp_us))
            for order in self._waiting.values():
                order.log.write("build", data, timestamp_us)

    def run(self) -> None:
        """What goes wrong is told to those who wait."""
        lock = self._site.cache.lock(self.key)
        try:
            self._acquire(lock)
            if self._site.cache.find(self.key) is None:
                self._build()
        except Exception as error:
            self._fault = error
        self._on_end(self, partial(self._settle, lock))
        with self._changed:
            self._over = True
            self._changed.notify_all()
        self._site.cache.make_room()

    def _settle(self, lock: KeyLock) -> None:
        """Those who wait have it from now on; whoever comes later finds it, or builds it."""
        with self._changed:
            self._closed = True
            try:
                for order in self._waiting.values() if self._fault is None else ():
                    self._site.cache.use(self.key, order.uid, order.holder)
            except OSError as error:
                self._fault = error
        lock.release()

    def _acquire(self, lock: KeyLock) -> None:
        """Wait while another worker of this machine builds the same."""
        deadline = time.monotonic() + 2 * self._site.patience
        told = False
        while not lock.try_acquire():
            if not told:
                self._say("waiting for another worker of this machine, which installs the same packages")
            told = True
            with self._changed:
                if self._changed.wait_for(lambda: self._closed, _LOOK):
                    raise StoppedEarly("nobody waits for it any more")
            if time.monotonic() > deadline:
                raise PlatformError(f"environment {self.key} is locked by another process for too long")

    def _build(self) -> None:
        with self._site.cache.draft(self.key) as draft:
            self._someone().copy_files(draft)
            (draft / "requirements.txt").write_text("".join(f"{line}\n" for line in self._order.lines))
            self._say(f"installing {len(self._order.lines)} requirements into environment {self.key[:12]}")
            end = self._install(draft)
            self._fault = self._judge(end)
            if self._fault is None:
                self._site.cache.keep(self.key, draft, self._order.info.task_id, time.time())

    def _install(self, draft: Path) -> Exit | None:
        """How the installer ended; None: it had not ended in time and was killed."""
        launch, calls = self._launch(draft), self._site.calls
        with calls.during("start()"):
            sandbox = calls.checked(self._site.runtime.start(launch), Sandbox, "start()")
        stopping = Stopping(sandbox, launch.uid, calls)
        with self._changed:
            self._sandbox = stopping
        self._stop_if_left()
        try:
            if (end := self._end_of(sandbox, self._site.patience)) is None:
                stopping.ask(0.0)
                self._end_of(sandbox, _END)
            return end
        finally:
            with calls.during("forget()"):
                self._site.runtime.forget(launch.uid)

    def _end_of(self, sandbox: Sandbox, timeout: float) -> Exit | None:
        with self._site.calls.blamed("wait()"):
            end = sandbox.wait(timeout)
        return None if end is None else self._site.calls.checked(end, Exit, "wait()")

    def _launch(self, draft: Path) -> Launch:
        order, own = self._order, self._site.environ()
        env, uv = handed_env(order.env, own), find_uv(own)
        uid = order.uid + _SUFFIX
        return Launch(
            uid=uid,
            entry=Entry(argv=command(order.interpreter, draft, uv)),
            info=evolve(order.info, attempt_uid=uid, token=None, ports={}, env=env),
            env=env,
            workdir=draft,
            image=order.image,
            mounts=handed_mounts(env, uv),
            limits=order.limits,
            output=self,
            output_limit=_OUTPUT,
            lease=_ORPHAN,
        )

    def _judge(self, end: Exit | None) -> Fault | None:
        output = [line for line, _ in self._printed]
        if end is None:
            last = explain(self._order.lines, output).reason
            return Fault(f"it was not done in {self._site.patience:g} s; the last line was: {last}")
        if end.success:
            return None
        if end.kind is ExitKind.EXITED:
            return explain(self._order.lines, output)
        if end.kind is ExitKind.OUT_OF_MEMORY:
            return Fault(end.message or "the installer ran out of memory")
        how = end.message or f"it was ended by signal {end.signal}"
        return Fault(f"the installer has not run to its end: {how}", outside=True)

    def _someone(self) -> Order:
        """One that waits: the directory of the first may be gone."""
        with self._changed:
            for order in self._waiting.values():
                return order
        raise StoppedEarly("nobody waits for it any more")

    def _say(self, text: str) -> None:
        self.write("build", f"iris: {text}", time.time_ns() // 1000)

    def _stop_if_left(self) -> None:
        with self._changed:
            self._changed.notify_all()
            if self._waiting:
                return
            self._closed = True
            stopping = self._sandbox
        if stopping is not None:
            stopping.ask(0.0)


class NoLog:
    """For a build of an earlier process: nobody waits for it."""

    def write(self, source: str, data: str, timestamp_us: int) -> None:
        return


def is_build(uid: str) -> bool:
    """Is it no attempt of a task, but a build for one?"""
    return uid.endswith(_SUFFIX)


def told_of(made: Made, key: str, order: Order) -> None:
    """An attempt that finds its packages there is told who has installed them, and so where the output is."""
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(made.at))
    text = f"iris: packages are those of environment {key[:12]}, which {made.task_id} had installed at {at}"
    order.log.write("build", text, time.time_ns() // 1000)
