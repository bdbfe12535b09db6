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
        def make_machines(self, tmp_path):
            return lambda cluster: AcmePlatform(AcmeConfig(), Context(cluster=cluster)).machines
    """
