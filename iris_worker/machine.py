"""What this machine has to offer."""

from __future__ import annotations

import os
from typing import Final

from iris_api.resources import ResourceSpec

__all__ = ["detect"]

_LEAST_CPU: Final = 32


def detect() -> ResourceSpec:
    """The machine's memory, and its cores but at least 32: here a task's `cpu` is a weight that nothing
    enforces, and tasks that wait for their children must not block these on a laptop. A pool's
    `resources` says otherwise."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return ResourceSpec(cpu=max(_LEAST_CPU, os.cpu_count() or 1), memory=memory)
