"""Patch: methods of the standard library that stand replaced while at least one attempt lives."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["Patch"]

Method = Callable[..., Any]


class Patch:
    """Counts its users. A replacement does nothing of its own outside a task: so one that somebody else has
    wrapped meanwhile, and which therefore stays, does no harm."""

    def __init__(self, owner: type, replacements: Mapping[str, Callable[[Method], Method]]) -> None:
        self._owner = owner
        self._replacements = replacements  # by name: from the original
        self._installed: dict[str, tuple[Method, Method]] = {}  # original, replacement
        self._lock = threading.Lock()
        self._users = 0

    def acquire(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._install()

    def release(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._restore()

    def _install(self) -> None:
        for name, replace in self._replacements.items():
            if name not in self._installed:
                original = getattr(self._owner, name)
                self._installed[name] = (original, replace(original))
                setattr(self._owner, name, self._installed[name][1])

    def _restore(self) -> None:
        for name, (original, replacement) in list(self._installed.items()):
            if getattr(self._owner, name) is replacement:
                setattr(self._owner, name, original)
                del self._installed[name]
