"""Trace: what happened in a simulation, line by line, and a digest of all of it."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from typing import Final

__all__ = ["Trace"]

_KEPT: Final = 400


class Trace:
    """`clock` is set by whoever has one. The last lines are kept; with `keep_all` every one."""

    def __init__(self, keep_all: bool = False) -> None:
        self.lines: deque[str] = deque(maxlen=None if keep_all else _KEPT)
        self.clock: Callable[[], float] = float
        self._digest = hashlib.blake2b(digest_size=16)

    def __call__(self, what: str, *details: object) -> None:
        line = f"{self.clock():12.6f} {what} {' '.join(map(str, details))}"
        self._digest.update(line.encode())
        self.lines.append(line)

    def digest(self) -> str:
        return self._digest.hexdigest()
