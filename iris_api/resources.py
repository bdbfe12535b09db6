"""What a task needs and what a worker has."""

from __future__ import annotations

import re
from typing import Final

from attrs import field, frozen

from iris_api.errors import InvalidSpec

__all__ = ["ResourceSpec", "format_memory", "parse_memory"]

_UNITS: Final = {
    "": 1, "B": 1,
    "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40,
}  # fmt: skip
_MEMORY: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]I?B|B)?", re.IGNORECASE)


def parse_memory(value: int | str) -> int:
    """Bytes of ``2GB`` (10^9), ``512MiB`` (2^20), ``1.5TB`` or a plain count. Raises InvalidSpec."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _MEMORY.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise InvalidSpec(
            f"memory {value!r} is not allowed: give bytes as a whole number, or a number with one of "
            "B, KB, MB, GB, TB, KiB, MiB, GiB, TiB, such as '2GB'"
        )
    return int(float(match[1]) * _UNITS[(match[2] or "").upper()])


def format_memory(count: int) -> str:
    """A number of bytes in its largest decimal unit, such as ``2GB``."""
    for unit in ("TB", "GB", "MB", "KB"):
        if count >= _UNITS[unit]:
            return f"{count / _UNITS[unit]:.3g}{unit}"
    return f"{count}B"


def _cpu(value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise InvalidSpec(f"cpu {value!r} is not allowed: give a number of cores >= 0, such as 1 or 0.5")
    return float(value)


@frozen
class ResourceSpec:
    """What one task reserves. `cpu` in cores, `memory` in bytes or as ``2GB``; 0 reserves none."""

    cpu: float = field(default=1.0, converter=_cpu)
    memory: int = field(default=0, converter=parse_memory)

    def __add__(self, other: ResourceSpec) -> ResourceSpec:
        return ResourceSpec(self.cpu + other.cpu, self.memory + other.memory)

    def __str__(self) -> str:
        memory = f", {format_memory(self.memory)}" if self.memory else ""
        return f"{self.cpu:g} cpu{memory}"
