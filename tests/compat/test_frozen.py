"""A plugin that was written for version 1 of the interface goes on loading and keeping the rules."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from iris_api.platform import Machines
from iris_api.plugins import Plugins
from iris_api.resolver import Resolver
from iris_api.testing import (
    Installed,
    MachinesConformance,
    Registry,
    ResolverConformance,
    TransportConformance,
)
from iris_api.transport import Transport
from tests.plugins.site import Site, site

__all__ = ["site"]

FROZEN = Path(__file__).parent / "iris_v1"
DIGESTS = Path(__file__).parent / "iris_v1.sha256"


@pytest.fixture(autouse=True)
def v1(site: Site) -> None:
    """It is installed."""
    requires = "iris-cluster>=0.1"
    site.add_metadata("iris-v1", "1.0", "[iris]\nv1 = tests.compat.iris_v1\n", requires=requires)


def test_it_is_as_it_was_written() -> None:
    found = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in _files()]
    assert found == DIGESTS.read_text().splitlines(), "this plugin is frozen: change Iris instead"


def test_it_loads_and_offers_all_three() -> None:
    assert Plugins().load("v1").offers == ("platform", "transport", "resolver")


class TestMachinesOfV1(MachinesConformance):
    not_promised: ClassVar = {"denied": "a folder's rights do not hold for root"}

    @pytest.fixture
    def make_machines(self, installed: Callable[..., Installed], tmp_path: Path) -> Callable[[str], Machines]:
        plugin = installed("v1", folder=tmp_path / "orders")
        return lambda cluster: plugin.machines(cluster=cluster)

    @pytest.fixture
    def machines_without_room(self, installed: Callable[..., Installed], tmp_path: Path) -> Machines:
        return installed("v1", folder=tmp_path / "full", room=0).machines()

    @pytest.fixture
    def machines_with_room_for_one(self, installed: Callable[..., Installed], tmp_path: Path) -> Machines:
        return installed("v1", folder=tmp_path / "small", room=1).machines()

    @pytest.fixture
    def machines_failing(self, installed: Callable[..., Installed], tmp_path: Path) -> Machines:
        (tmp_path / "file").touch()
        return installed("v1", folder=tmp_path / "file").machines()


class TestTransportOfV1(TransportConformance):
    not_promised: ClassVar = {
        "processes": "it reaches what listens in its own process",
        "sockets": "it opens none",
    }

    @pytest.fixture
    def make_transport(self, installed: Callable[..., Installed]) -> Callable[[], Transport]:
        return installed("v1").transport


class Folder:
    """Writes and removes the files that the resolver reads."""

    def __init__(self, plugin: Installed, folder: Path) -> None:
        self._plugin, self._folder = plugin, folder
        self._numbers = itertools.count(1)

    def resolver(self) -> Resolver:
        return self._plugin.resolver()

    def register(self, name: str, address: str) -> str:
        (self._folder / name).mkdir(parents=True, exist_ok=True)
        uid = f"uid-{next(self._numbers)}"
        draft = self._folder / f".{uid}"
        draft.write_text(address)
        draft.rename(self._folder / name / uid)
        return uid

    def unregister(self, uid: str) -> None:
        for path in self._folder.glob(f"*/{uid}"):
            path.unlink()


class TestResolverOfV1(ResolverConformance):
    not_promised: ClassVar = {"outages": "a folder is there or it is not"}

    @pytest.fixture
    def registry(self, installed: Callable[..., Installed], tmp_path: Path) -> Registry:
        return Folder(installed("v1", folder=tmp_path / "names"), tmp_path / "names")


def _files() -> list[Path]:
    return sorted(FROZEN.glob("*.py"))
