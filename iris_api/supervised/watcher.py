"""Watcher: one thread that waits for all sandboxes of a runtime."""

from __future__ import annotations

import logging
import os
import select
import threading
from collections.abc import Callable

from iris_api.threads import ManagedThread, ThreadContainer

__all__ = ["Watcher"]

_log = logging.getLogger("iris.runtime")


class Watcher:
    """Calls back when a file descriptor becomes readable. Its thread starts with the first one."""

    def __init__(self, threads: ThreadContainer, name: str) -> None:
        self._threads = threads
        self._name = name
        self._lock = threading.Lock()
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._thread: ManagedThread | None = None
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)  # never read: once rung, it rings on
        self._epoll.register(self._bell, select.EPOLLIN)

    def add(self, fd: int, callback: Callable[[], None]) -> None:
        """Call `callback` on the thread whenever `fd` is readable, until `remove`."""
        with self._lock:
            self._callbacks[fd] = callback
            self._epoll.register(fd, select.EPOLLIN)
            if self._thread is None:
                self._thread = self._threads.spawn_loop(self._run, self._name, on_stop=self._ring)

    def remove(self, fd: int) -> None:
        with self._lock:
            if self._callbacks.pop(fd, None) is not None and not self._epoll.closed:
                self._epoll.unregister(fd)

    def close(self, timeout: float = 5.0) -> None:
        """Stop watching. Idempotent."""
        if self._epoll.closed or (self._thread is not None and not self._thread.stop(timeout)):
            return
        with self._lock:
            self._epoll.close()
            os.close(self._bell)
            self._bell = -1

    def _ring(self) -> None:
        with self._lock:
            if self._bell >= 0:
                os.eventfd_write(self._bell, 1)

    def _run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            for fd, _ in self._epoll.poll():
                self._call(fd)

    def _call(self, fd: int) -> None:
        callback = self._callbacks.get(fd)
        if callback is None:  # removed since, or the bell
            return
        try:
            callback()
        except Exception:
            _log.exception("%s: a sandbox could not be served", self._name)
            self.remove(fd)
