"""What the docker platform promises: the rules of its runtime, on the daemon of this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pytest

from iris_api.platform import Runtime
from iris_api.testing import Installed, RuntimeConformance

__all__ = ["TestDockerRuntime"]


class TestDockerRuntime(RuntimeConformance):
    """The table's `image` is to be there, or to be had."""

    not_promised: ClassVar = {
        "memory_peak": "it is looked at each second: of a short task it is not known",
    }

    @pytest.fixture
    def patience(self) -> float:
        return 60.0

    @pytest.fixture
    def make_runtime(self, installed: Callable[..., Installed]) -> Callable[[], Runtime]:
        return installed("docker").runtime
