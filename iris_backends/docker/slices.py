"""From the containers of a cluster to its slices. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from iris_api.platform import Slice, SliceState

__all__ = ["DELETING", "Machine", "by_slice", "is_going", "seen"]

DELETING: Final = "iris-deleting-"  # the name of a container that goes begins so: labels cannot be changed
_MAKING: Final = 60.0  # seconds that a process may take from the first machine of a slice to the last


@frozen(kw_only=True)
class Machine:
    """A container, as the daemon's list shows it. `state` is Docker's, `created` in Unix seconds."""

    id: str
    slice_id: str
    pool: str
    size: int
    index: int
    memory: int
    state: str
    status: str
    address: str
    created: float
    deleting: bool

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Machine:
        told = found["Labels"]
        networks = (found.get("NetworkSettings") or {}).get("Networks") or {}
        addresses = [one["IPAddress"] for one in networks.values() if one.get("IPAddress")]
        return cls(
            id=found["Id"],
            slice_id=told["iris.slice"],
            pool=told["iris.pool"],
            size=int(told["iris.size"]),
            index=int(told["iris.index"]),
            memory=int(told["iris.memory"]),
            state=found["State"],
            status=found["Status"],
            address=addresses[0] if addresses else "",
            created=found["Created"],
            deleting=found["State"] == "removing" or any(map(is_going, found["Names"] or ())),
        )

    @property
    def worker_id(self) -> str:
        return f"{self.slice_id}-{self.index}"

    @property
    def ended(self) -> bool:
        return self.state in ("exited", "dead")


def is_going(name: str) -> bool:
    """Whether the container of this name is being deleted."""
    return name.lstrip("/").startswith(DELETING)


def by_slice(machines: Iterable[Machine]) -> Mapping[str, Sequence[Machine]]:
    """Each in the order of its machines."""
    found: defaultdict[str, list[Machine]] = defaultdict(list)
    for machine in sorted(machines, key=lambda one: one.index):
        found[machine.slice_id].append(machine)
    return found


def seen(machines: Sequence[Machine], now: float, trouble: str = "") -> Slice:
    """The slice that these are all machines of. `trouble`: why it has not come up."""
    first = machines[0]
    state, message = _state(machines, now, trouble)
    return Slice(
        slice_id=first.slice_id,
        pool=first.pool,
        state=state,
        addresses=tuple(one.address for one in machines if one.address),
        message=message,
    )


def _state(machines: Sequence[Machine], now: float, trouble: str) -> tuple[SliceState, str]:
    first = machines[0]
    if any(one.deleting for one in machines):
        return SliceState.DELETING, ""
    ended = [one for one in machines if one.ended]
    if ended or trouble:
        told = "; ".join(f"machine {one.worker_id} has ended: {one.status}" for one in ended)
        return SliceState.FAILED, "; ".join(filter(None, (told, trouble)))
    missing = first.size - len(machines)
    if missing and now - min(one.created for one in machines) > _MAKING:
        return SliceState.FAILED, f"{missing} of its {first.size} machines are gone"
    if missing or any(one.state == "created" for one in machines):
        return SliceState.CREATING, ""
    return SliceState.READY, ""
