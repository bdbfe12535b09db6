"""Watcher: one thread that waits for all sandboxes of a runtime, and is there only while it has any."""

from __future__ import annotations

import logging
import os
import select
import threading
from collections.abc import Callable

from iris_api.threads import ManagedThread, ThreadContainer

__all__ = ["Watcher"]

_log = logging.getLogger("iris.runtime")

_TICK = 0.5  # seconds after which a stop by the container's owner is seen
_LINGER = 4  # ticks that the thread stays with nothing to watch


class Watcher:
    """Calls back when a file descriptor becomes readable."""

    def __init__(self, threads: ThreadContainer, name: str) -> None:
        self._threads = threads
        self._name = name
        self._lock = threading.Lock()
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._thread: ManagedThread | None = None
        self._closed = False
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._bell, select.EPOLLIN)

    def add(self, fd: int, callback: Callable[[], None]) -> None:
        """Call `callback` on the thread whenever `fd` is readable, until `remove`."""
        with self._lock:
            self._callbacks[fd] = callback
            self._epoll.register(fd, select.EPOLLIN)
            if self._thread is None and not self._closed:
                self._thread = self._threads.spawn_loop(self._run, self._name)

    def remove(self, fd: int) -> None:
        with self._lock:
            if self._callbacks.pop(fd, None) is not None and not self._epoll.closed:
                self._epoll.unregister(fd)

    def close(self, timeout: float = 5.0) -> None:
        """Stop watching. Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            thread = self._thread
        os.eventfd_write(self._bell, 1)
        if thread is None or thread.stop(timeout):
            self._epoll.close()
            os.close(self._bell)

    def _run(self, stop: threading.Event) -> None:
        idle = 0
        while not (stop.is_set() or self._closed):
            for fd, _ in self._epoll.poll(_TICK):
                self._call(fd)
            idle = 0 if self._callbacks else idle + 1
            if idle > _LINGER and self._leave():
                return

    def _leave(self) -> bool:
        with self._lock:
            if self._callbacks:
                return False
            self._thread = None
            return True

    def _call(self, fd: int) -> None:
        callback = self._callbacks.get(fd)
        if callback is None:  # removed since, or the bell
            return
        try:
            callback()
        except Exception:
            _log.exception("%s: a sandbox could not be served", self._name)
            self.remove(fd)
