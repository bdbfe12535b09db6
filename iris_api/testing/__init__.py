"""What tests of Iris and of its plugins need: waiting, virtual time, leak detection, and the conformance kit.

The pytest fixtures are in :mod:`iris_api.testing.fixtures`; what needs pytest is imported at its first use,
so that this package itself does not.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from iris_api.testing.clock import VirtualClock
from iris_api.testing.leaks import (
    Process,
    leaked_processes,
    leaked_threads,
    process_snapshot,
    thread_snapshot,
)
from iris_api.testing.programs import Program
from iris_api.testing.waiting import ConditionTimeout, wait_for_condition

if TYPE_CHECKING:
    from iris_api.testing.conformance.base import Conformance as Conformance
    from iris_api.testing.conformance.machines import MachinesConformance as MachinesConformance
    from iris_api.testing.conformance.runtime import RuntimeConformance as RuntimeConformance
    from iris_api.testing.fakes.machines import FakeCloud as FakeCloud
    from iris_api.testing.fakes.machines import FakeMachines as FakeMachines

__all__ = [
    "ConditionTimeout",
    "Conformance",
    "FakeCloud",
    "FakeMachines",
    "MachinesConformance",
    "Process",
    "Program",
    "RuntimeConformance",
    "VirtualClock",
    "leaked_processes",
    "leaked_threads",
    "process_snapshot",
    "thread_snapshot",
    "wait_for_condition",
]

_LAZY: Final = {
    "Conformance": "iris_api.testing.conformance.base",
    "FakeCloud": "iris_api.testing.fakes.machines",
    "FakeMachines": "iris_api.testing.fakes.machines",
    "MachinesConformance": "iris_api.testing.conformance.machines",
    "RuntimeConformance": "iris_api.testing.conformance.runtime",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
