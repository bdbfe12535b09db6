"""Where a run was made: without that, its figures say nothing."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

from benchmarks.environments import PINS

__all__ = ["machine"]


def machine() -> dict[str, str]:
    load = os.getloadavg()[0]
    ours = ("iris-cluster", "uvicorn", "uvloop", "numpy")
    return {
        "machine": f"{os.cpu_count()} cores, {_cpu()}, {_memory_gb():.0f} GB, Linux {platform.release()}",
        "load before": f"{load:.2f}" + (" (NOT IDLE: absolute figures are too high)" if load > 0.5 else ""),
        "python": platform.python_version(),
        "versions": ", ".join(f"{name} {version(name)}" for name in ours),
        "peers": ", ".join(sorted({pin.replace("==", " ") for pins in PINS.values() for pin in pins})),
    }


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
