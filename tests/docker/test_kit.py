"""The docker platform keeps the rules of the kit, on a real daemon."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from iris_api.platform import Machines, Runtime
from iris_api.testing import Installed
from iris_backends.docker import conformance

pytestmark = pytest.mark.timeout(180)  # above the patience of the rules, so that it is one of them that fails


class TestMachines(conformance.TestDockerMachines):
    @pytest.fixture
    def make_machines(self, installed: Callable[..., Installed], image: str) -> Callable[[str], Machines]:
        plugin = installed("docker", image=image)
        return lambda cluster: conformance.make_machines(plugin, cluster)


class TestDocker(conformance.TestDockerRuntime):
    """With an image that is here."""

    @pytest.fixture
    def make_runtime(self, installed: Callable[..., Installed], image: str) -> Callable[[], Runtime]:
        return installed("docker", image=image).runtime
