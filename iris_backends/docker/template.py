"""What a pool says of its machines, and how much each of them has and offers."""

from __future__ import annotations

from typing import Any, Final

from attrs import field, frozen

from iris_api.errors import InvalidSpec
from iris_api.resources import ResourceSpec, format_memory, parse_memory

__all__ = ["MachineTemplate", "Size", "offer", "size"]

_ROOM: Final = 256_000_000  # bytes, for the worker itself beside the tasks
_CPU: Final = 32.0  # of a machine without a limit: a task that waits for its children should not block them


def _is_enough(_instance: Any, _attribute: Any, value: int) -> None:
    if 0 < value <= _ROOM:
        given, room = format_memory(value), format_memory(_ROOM)
        raise InvalidSpec(f"memory {given} is not enough: the worker of a machine takes {room}")


def _is_share(_instance: Any, _attribute: Any, value: float) -> None:
    if value and not 0.01 <= value < float("inf"):
        raise InvalidSpec(f"cpus {value!r} is not allowed: give a number of cores, such as 1 or 0.5")


@frozen(kw_only=True)
class MachineTemplate:
    """`image` of each machine, empty: the platform's. `cpus` and `memory` are its limits, 0: as much as the
    pool's `resources` need, and without these no limit."""

    image: str = ""
    cpus: float = field(default=0.0, validator=_is_share)
    memory: int = field(default=0, converter=parse_memory, validator=_is_enough)


@frozen
class Size:
    """The limits of a machine, in cores and bytes; 0: none."""

    cpus: float
    memory: int


def size(template: MachineTemplate, resources: ResourceSpec | None) -> Size:
    """Tasks that use all that a pool promises leave room for the worker."""
    wanted = resources or ResourceSpec(cpu=0.0)
    memory = wanted.memory + _ROOM if wanted.memory else 0
    return Size(template.cpus or wanted.cpu, template.memory or memory)


def offer(template: MachineTemplate, memory: int) -> ResourceSpec | None:
    """What a machine of a pool without `resources` offers, where the worker would find more: `memory` bytes
    of the daemon's machine."""
    if not template.cpus and not template.memory:
        return None
    own = template.memory - _ROOM if template.memory else memory
    return ResourceSpec(cpu=template.cpus or _CPU, memory=own)
