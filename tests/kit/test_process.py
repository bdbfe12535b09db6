"""The process platform runs the kit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from iris_api.context import Context
from iris_api.platform import Runtime
from iris_api.testing import RuntimeConformance
from iris_backends.process import ProcessConfig, ProcessPlatform


class TestProcessRuntime(RuntimeConformance):
    """Each of its worker processes has the same directory."""

    not_promised: ClassVar = {
        "mounts": "a process sees the directories of its machine as they are",
        "memory_limit": "a process group has no limit of its own; the machine's is for all",
        "exec": "a process group is no place that a command could be run in",
    }

    @pytest.fixture
    def make_runtime(self, tmp_path: Path) -> Iterator[Callable[[], Runtime]]:
        made: list[ProcessPlatform] = []

        def make() -> Runtime:
            made.append(ProcessPlatform(ProcessConfig(), Context(directory=tmp_path / "sandboxes")))
            return made[-1].runtime

        yield make
        for platform in made:
            platform.close()
