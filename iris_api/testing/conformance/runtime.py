"""RuntimeConformance: what everything that sandboxes tasks has to keep."""

from __future__ import annotations

from iris_api.testing.conformance._runtime_adopt import RuntimeAdopt
from iris_api.testing.conformance._runtime_ends import RuntimeEnds
from iris_api.testing.conformance._runtime_images import RuntimeImages
from iris_api.testing.conformance._runtime_launch import RuntimeLaunch
from iris_api.testing.conformance._runtime_output import RuntimeOutput
from iris_api.testing.conformance._runtime_stops import RuntimeStops
from iris_api.testing.conformance._runtime_traces import RuntimeTraces

__all__ = ["RuntimeConformance"]


class RuntimeConformance(
    RuntimeAdopt, RuntimeTraces, RuntimeStops, RuntimeEnds, RuntimeOutput, RuntimeImages, RuntimeLaunch
):
    """Subclass it, call the class ``Test...``, and override `make_runtime`::

    class TestAcmeRuntime(RuntimeConformance):
        not_promised = {"mounts": "a task sees the machine's own directories"}

        @pytest.fixture
        def make_runtime(self, tmp_path):
            made = []

            def make():
                made.append(AcmePlatform(AcmeConfig(), Context(directory=tmp_path / "acme")))
                return made[-1].runtime

            yield make
            for platform in made:
                platform.close()
    """
