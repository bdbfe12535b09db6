"""How far the wall clock was moved since a state directory was first used after the machine's boot.

The kernel's boot clock goes on while no controller runs, and nobody moves it: what the wall clock is ahead
of it changes only when the wall clock is moved.
"""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Final

__all__ = ["moved_since_mark"]

_FILE: Final = "clock"
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_SMALL: Final = 5.0  # seconds: less is a clock that is being set right


def moved_since_mark(directory: Path) -> float:
    """Seconds, 0 where nothing is known; leaves a mark for later starts if there is none of this boot."""
    path = directory / _FILE
    try:
        boot = _BOOT.read_text().strip()
        ahead = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    except (OSError, AttributeError):
        return 0.0
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        mark = json.loads(path.read_text())
        if mark["boot"] == boot:
            moved = ahead - float(mark["ahead"])
            return moved if abs(moved) > _SMALL else 0.0
    with contextlib.suppress(OSError):  # without it the wall clock is believed
        path.write_text(json.dumps({"boot": boot, "ahead": ahead}))
    return 0.0
