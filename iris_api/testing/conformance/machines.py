"""MachinesConformance: what every maker of machines has to keep."""

from __future__ import annotations

from iris_api.testing.conformance._machines_failures import MachinesFailures
from iris_api.testing.conformance._machines_rules import MachinesBase
from iris_api.testing.conformance._machines_sharing import MachinesSharing

__all__ = ["MachinesConformance"]


class MachinesConformance(MachinesFailures, MachinesSharing, MachinesBase):
    """Subclass it, call the class ``Test...``, and override `make_machines`::

    class TestAcmeMachines(MachinesConformance):
        @pytest.fixture
        def make_machines(self, installed, tmp_path):
            plugin = installed("acme", folder=tmp_path)
            return lambda cluster: plugin.machines(cluster=cluster)

    What a test of its kind cannot know, such as how a failure is brought about, is told by the fixtures
    `machines_without_room`, `machines_denied`, `machines_failing` and `machines_with_room_for_one`, or the
    ability is not promised.
    """
