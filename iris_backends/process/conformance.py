"""What the process platform promises: the rules of its runtime."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pytest

from iris_api.platform import Runtime
from iris_api.testing import Installed, RuntimeConformance

__all__ = ["TestProcessRuntime"]


class TestProcessRuntime(RuntimeConformance):
    """Each of its worker processes has the same directory."""

    not_promised: ClassVar = {
        "mounts": "a process sees the directories of its machine as they are",
        "memory_limit": "a process group has no limit of its own; the machine's is for all",
        "exec": "a process group is no place that a command could be run in",
    }

    @pytest.fixture
    def make_runtime(self, installed: Callable[..., Installed]) -> Callable[[], Runtime]:
        return installed("process").runtime
