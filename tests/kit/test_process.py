"""The process platform runs the kit."""

from iris_backends.process.conformance import TestProcessRuntime

__all__ = ["TestProcessRuntime"]
