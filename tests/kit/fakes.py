"""The kit on the fakes, as classes that the tests of its bugs subclass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from iris_api.platform import Machines
from iris_api.testing import FakeCloud, FakeMachines, MachinesConformance

__all__ = ["FakeMachinesKit"]


class FakeMachinesKit(MachinesConformance):
    """On clouds in the test's directory."""

    machines_class: type[FakeMachines] = FakeMachines

    @pytest.fixture
    def cloud(self, tmp_path: Path) -> FakeCloud:
        cloud = FakeCloud(tmp_path / "cloud")
        cloud.slow_down(boot=1000.0)
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
