"""What tests of Iris and of its plugins need: waiting, virtual time, leak detection.

The pytest fixtures are in :mod:`iris_api.testing.fixtures`, so that this package needs no pytest.
"""

from iris_api.testing.clock import VirtualClock
from iris_api.testing.leaks import (
    Process,
    leaked_processes,
    leaked_threads,
    process_snapshot,
    thread_snapshot,
)
from iris_api.testing.waiting import ConditionTimeout, wait_for_condition

__all__ = [
    "ConditionTimeout",
    "Process",
    "VirtualClock",
    "leaked_processes",
    "leaked_threads",
    "process_snapshot",
    "thread_snapshot",
    "wait_for_condition",
]
