"""Platforms with one thing broken in each, as the plugin ``planted``, and the rule that has to find it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Final

import pytest
from attrs import frozen

from iris_api.context import Context
from iris_api.hookspecs import hookimpl
from iris_api.platform import Machines, Platform
from iris_api.provider import Provider
from iris_api.testing import FakeCloud, FakeMachines, Installed, MachinesConformance

__all__ = ["BUGS", "PlatformKit"]

_WHY: Final = "it is not what this is about"


@frozen(kw_only=True)
class PlantedConfig:
    """`which` is the class of the platform."""

    folder: Path = Path()
    which: str = "Healthy"


class Healthy(Platform):
    """Nothing is broken."""

    def __init__(self, config: PlantedConfig, context: Context) -> None:
        self.machines = FakeMachines(FakeCloud(config.folder), context.cluster)

    def close(self) -> None:
        """Nothing is held open."""


class ClosesForGood(Healthy):
    """What its machines do not do, it does: it tidies up."""

    def close(self) -> None:
        assert self.machines is not None
        for one in self.machines.list():
            self.machines.delete(one.slice_id)


class PlatformKit(MachinesConformance):
    """On machines as `installed` makes them."""

    platform_class: type[Healthy] = Healthy
    not_promised: ClassVar = dict.fromkeys(("no_capacity", "denied", "failure", "little_room"), _WHY)

    @pytest.fixture
    def make_machines(self, installed: Callable[..., Installed], tmp_path: Path) -> Callable[[str], Machines]:
        plugin = installed("planted", folder=tmp_path / "cloud", which=self.platform_class.__name__)
        return lambda cluster: plugin.machines(cluster=cluster)


BUGS: Final[dict[type[Healthy], str]] = {ClosesForGood: "close_deletes_nothing"}


def _create(config: PlantedConfig, context: Context) -> Platform:
    made: Platform = globals()[config.which](config, context)
    return made


@hookimpl
def iris_platform() -> Provider[PlantedConfig, Platform]:
    return Provider(PlantedConfig, _create, "a platform of a test")
