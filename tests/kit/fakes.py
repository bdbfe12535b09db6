"""The kit on the fakes, as classes that the tests of its bugs subclass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from iris_api.jobs import Entry
from iris_api.platform import Machines, Runtime
from iris_api.testing import (
    FakeCloud,
    FakeMachines,
    FakeRuntime,
    MachinesConformance,
    Program,
    RuntimeConformance,
)

__all__ = ["FakeMachinesKit", "FakeRuntimeKit"]


class FakeMachinesKit(MachinesConformance):
    """On clouds in the test's directory."""

    machines_class: type[FakeMachines] = FakeMachines
    shutdown: float = 0.0  # seconds

    @pytest.fixture
    def cloud(self, tmp_path: Path) -> FakeCloud:
        cloud = FakeCloud(tmp_path / "cloud")
        cloud.slow_down(boot=1000.0, shutdown=self.shutdown)
        return cloud

    @pytest.fixture
    def make_machines(self, cloud: FakeCloud) -> Callable[[str], Machines]:
        return lambda cluster: self.machines_class(cloud, cluster)

    @pytest.fixture
    def exists(self, cloud: FakeCloud) -> Callable[[str], bool]:
        return cloud.exists

    @pytest.fixture
    def machines_without_room(self, cloud: FakeCloud) -> Machines:
        cloud.limit(0)
        return self.machines_class(cloud)

    @pytest.fixture
    def machines_denied(self, cloud: FakeCloud) -> Machines:
        cloud.deny("the account may not make machines")
        return self.machines_class(cloud)

    @pytest.fixture
    def machines_failing(self, tmp_path: Path) -> Machines:
        broken = FakeCloud(tmp_path / "broken")
        broken.fail("internal error of the cloud")
        return self.machines_class(broken)

    @pytest.fixture
    def machines_with_room_for_one(self, cloud: FakeCloud) -> Machines:
        cloud.limit(1)
        return self.machines_class(cloud)


class FakeRuntimeKit(RuntimeConformance):
    """The programs of the rules are told to it as they are."""

    runtime_class: type[FakeRuntime] = FakeRuntime
    not_promised: ClassVar = {
        "commands": "it runs nothing",
        "calls": "it runs nothing",
        "interpreter": "it runs nothing",
        "prints": "it runs nothing",
        "mounts": "there is nobody to see them",
        "kill_calls": "it runs nothing",
        "sessions": "there are no processes",
        "adopt": "its attempts are in the memory of one process",
        "exec": "it runs nothing",
    }

    @pytest.fixture
    def programs(self) -> list[Program]:
        return []

    @pytest.fixture
    def entry_for(self, programs: list[Program]) -> Callable[[Program], Entry]:
        def entry_for(program: Program) -> Entry:
            programs.append(program)
            return Entry(argv=("program", str(programs.index(program))))

        return entry_for

    @pytest.fixture
    def make_runtime(self, programs: list[Program]) -> Iterator[Callable[[], Runtime]]:
        made: list[FakeRuntime] = []

        def make() -> Runtime:
            made.append(self.runtime_class(lambda launch: programs[int(launch.entry.argv[1])]))
            return made[-1]

        yield make
        for runtime in made:
            runtime.close()
