"""The rules for a plugin that names no module of its own: those that can be asked without knowing more.

``iris plugin check`` runs the classes that suit it, with ``--iris-plugin NAME``. What only somebody who knows
its backend can bring about, such as a failure, is not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Final

import pytest

from iris_api.platform import Machines, Runtime
from iris_api.testing.conformance.machines import MachinesConformance
from iris_api.testing.conformance.runtime import RuntimeConformance
from iris_api.testing.conformance.transport import TransportConformance
from iris_api.testing.installed import Installed
from iris_api.transport import Transport

_WHY: Final = "the plugin names no conformance module that could bring it about"


@pytest.fixture
def plugin(request: pytest.FixtureRequest, installed: Callable[..., Installed]) -> Installed:
    return installed(request.config.getoption("--iris-plugin"))


class TestMachines(MachinesConformance):
    not_promised: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("no_capacity", "denied", "failure", "little_room"), _WHY
    )

    @pytest.fixture
    def make_machines(self, plugin: Installed) -> Callable[[str], Machines]:
        return lambda cluster: plugin.machines(cluster=cluster)


class TestRuntime(RuntimeConformance):
    @pytest.fixture
    def make_runtime(self, plugin: Installed) -> Callable[[], Runtime]:
        return plugin.runtime


class TestTransport(TransportConformance):
    @pytest.fixture
    def make_transport(self, plugin: Installed) -> Callable[[], Transport]:
        return plugin.transport
