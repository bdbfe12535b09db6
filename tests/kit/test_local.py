"""The local platform runs the kit: its machines, and its runtime."""

from iris_backends.local.conformance import TestLocalMachines, TestLocalRuntime

__all__ = ["TestLocalMachines", "TestLocalRuntime"]
