"""One reading of the clocks: `mono` for spans within this process, `wall` for records that outlive it."""

from __future__ import annotations

import time
from collections.abc import Callable

from attrs import frozen

__all__ = ["Clock", "Now", "system_clock"]


@frozen
class Now:
    """`mono`: monotonic seconds, which a changed wall clock does not move. `wall`: Unix seconds."""

    mono: float
    wall: float


Clock = Callable[[], Now]


def system_clock() -> Now:
    return Now(time.monotonic(), time.time())
