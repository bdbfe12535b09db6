"""Tender: has machines start and end while nobody waits for it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from typing import Final

from iris_api.threads import ThreadContainer
from iris_backends.docker.engine import Engine
from iris_backends.docker.errors import DockerError, Gone
from iris_backends.docker.slices import Machine, is_going

__all__ = ["Tender"]

_log = logging.getLogger("iris.machines")
_AT_ONCE: Final = 8  # machines that are started or ended at the same time
_GRACE: Final = 3  # seconds between asking a machine to end and ending it
_AGAIN: Final = 1.0  # seconds between two tries of what the daemon could not do
_CLOSE: Final = 7.0  # seconds for what is under way when this object is closed
_LAST: Final = 1.0  # seconds for threads that are asked to end by then

Work = Callable[[Machine, threading.Event], None]


class Tender:
    """Safe from several threads. All that it does may be done again by another process."""

    def __init__(self, engine: Engine, threads: ThreadContainer, ended: Callable[[], None]) -> None:
        """`ended` is called after a machine is gone, on a thread of its own."""
        self._engine, self._threads, self._when_ended = engine, threads, ended
        self._slots = threading.Semaphore(_AT_ONCE)
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._busy: set[tuple[str, Work]] = set()
        self._troubles: dict[str, str] = {}
        self._closed = False

    def start(self, machine: Machine) -> None:
        """Returns at once."""
        self._spawn(machine, self._start)

    def end(self, machine: Machine) -> None:
        """Returns at once. Its worker has a moment to end what it runs."""
        self._spawn(machine, self._end)

    def trouble(self, slice_id: str) -> str:
        """Why it has not come up; empty while nothing is known."""
        return self._troubles.get(slice_id, "")

    def forget(self, but: Collection[str]) -> None:
        """Slices that are gone have no troubles."""
        for slice_id in self._troubles.keys() - set(but):
            self._troubles.pop(slice_id, None)

    def close(self) -> None:
        """Wait for what is under way, but not for long: what is left the next process does."""
        with self._idle:
            self._closed = True
            self._idle.wait_for(lambda: not self._busy, _CLOSE)
        self._threads.stop(_LAST)

    def _spawn(self, machine: Machine, work: Work) -> None:
        key = (machine.id, work)
        with self._lock:
            if self._closed or key in self._busy:
                return
            self._busy.add(key)
            self._threads.spawn(lambda stop: self._run(machine, work, stop), machine.worker_id)

    def _run(self, machine: Machine, work: Work, stop: threading.Event) -> None:
        try:
            with self._slots:
                work(machine, stop)
        finally:
            with self._idle:
                self._busy.discard((machine.id, work))
                self._idle.notify_all()

    def _start(self, machine: Machine, stop: threading.Event) -> None:
        try:
            if not is_going(self._engine.inspect(machine.id)["Name"]):
                self._engine.start(machine.id, f"machine {machine.worker_id}")
        except Gone:  # deleted meanwhile
            return
        except DockerError as error:
            self._troubles[machine.slice_id] = f"machine {machine.worker_id} cannot be started: {error}"

    def _end(self, machine: Machine, stop: threading.Event) -> None:
        while not self._is_gone(machine):
            if stop.wait(_AGAIN):
                return
        self._when_ended()

    def _is_gone(self, machine: Machine) -> bool:
        """A container that is removed while somebody starts it, perhaps another process, leaves its place in
        the network taken for ever. It has its name by now, so nobody begins to; to inspect it waits for who
        has begun."""
        try:
            self._engine.stop(machine.id, _GRACE)
            if self._engine.inspect(machine.id)["State"]["Running"]:
                return False
            self._engine.remove(machine.id)
        except Gone:
            return True
        except DockerError as error:
            _log.warning("machine %s cannot be removed yet: %s", machine.worker_id, error)
            return False
        return True
