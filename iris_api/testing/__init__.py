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
    from iris_api.testing.conformance.resolver import Registry as Registry
    from iris_api.testing.conformance.resolver import ResolverConformance as ResolverConformance
    from iris_api.testing.conformance.runtime import RuntimeConformance as RuntimeConformance
    from iris_api.testing.conformance.transport import TransportConformance as TransportConformance
    from iris_api.testing.fakes.machines import FakeCloud as FakeCloud
    from iris_api.testing.fakes.machines import FakeMachines as FakeMachines
    from iris_api.testing.fakes.resolver import FakeRegistry as FakeRegistry
    from iris_api.testing.fakes.runtime import FakeRuntime as FakeRuntime
    from iris_api.testing.fakes.runtime import FakeSandbox as FakeSandbox
    from iris_api.testing.fakes.transport import MemoryTransport as MemoryTransport
    from iris_api.testing.installed import IdleWorker as IdleWorker
    from iris_api.testing.installed import Installed as Installed
    from iris_api.testing.relay import Relay as Relay
    from iris_api.testing.relay import relay_to as relay_to

__all__ = [
    "ConditionTimeout",
    "Conformance",
    "FakeCloud",
    "FakeMachines",
    "FakeRegistry",
    "FakeRuntime",
    "FakeSandbox",
    "IdleWorker",
    "Installed",
    "MachinesConformance",
    "MemoryTransport",
    "Process",
    "Program",
    "Registry",
    "Relay",
    "ResolverConformance",
    "RuntimeConformance",
    "TransportConformance",
    "VirtualClock",
    "leaked_processes",
    "leaked_threads",
    "process_snapshot",
    "relay_to",
    "thread_snapshot",
    "wait_for_condition",
]

_LAZY: Final = {
    "Conformance": "iris_api.testing.conformance.base",
    "FakeCloud": "iris_api.testing.fakes.machines",
    "FakeMachines": "iris_api.testing.fakes.machines",
    "FakeRegistry": "iris_api.testing.fakes.resolver",
    "FakeRuntime": "iris_api.testing.fakes.runtime",
    "FakeSandbox": "iris_api.testing.fakes.runtime",
    "IdleWorker": "iris_api.testing.installed",
    "Installed": "iris_api.testing.installed",
    "MachinesConformance": "iris_api.testing.conformance.machines",
    "MemoryTransport": "iris_api.testing.fakes.transport",
    "Registry": "iris_api.testing.conformance.resolver",
    "Relay": "iris_api.testing.relay",
    "ResolverConformance": "iris_api.testing.conformance.resolver",
    "RuntimeConformance": "iris_api.testing.conformance.runtime",
    "TransportConformance": "iris_api.testing.conformance.transport",
    "relay_to": "iris_api.testing.relay",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
