"""Frozen: written for version 1 of the plugin interface, and never to be changed.

What the plugins of this package promise, as their author has said it to the kit.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from iris_api.platform import Machines, Runtime
from iris_api.resolver import Resolver
from iris_api.testing import (
    Installed,
    MachinesConformance,
    Program,
    Registry,
    ResolverConformance,
    RuntimeConformance,
    TransportConformance,
)
from iris_api.transport import Transport

__all__ = [
    "TestMachinesOfV1",
    "TestPostOfV1",
    "TestResolverOfV1",
    "TestRuntimeOfV1",
    "TestTransportOfV1",
    "TestWatchOfV1",
]


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


class TestRuntimeOfV1(RuntimeConformance):
    not_promised: ClassVar = {
        "calls": "it runs commands",
        "prints": "it runs commands",
        "kill_calls": "it runs commands",
        "interpreter": "it runs commands",
        "signals": "a shell tells them as codes",
        "mounts": "a command sees the directories of its machine",
        "memory_peak": "it is not measured",
        "memory_limit": "a process group has no limit",
        "sessions": "it knows one process group",
        "stats": "it is not measured",
        "exec": "a process group is no place to run a command in",
    }

    @pytest.fixture
    def make_runtime(self, installed: Callable[..., Installed], tmp_path: Path) -> Callable[[], Runtime]:
        return installed("v1-runtime", folder=tmp_path / "attempts").runtime

    @pytest.fixture
    def places(self, tmp_path: Path) -> tuple[Path, ...]:
        return (tmp_path / "attempts",)

    def test_a_program_is_a_command(self) -> None:
        """What the kit has tasks do it can say to a shell."""
        program = Program(lines=(("stdout", "said"),), code=3)
        assert program.argv()[:2] == ("/bin/sh", "-c")


class TestPostOfV1(TransportConformance):
    not_promised: ClassVar = {
        "processes": "it reaches what listens in its own process",
        "sockets": "it opens none",
    }

    @pytest.fixture
    def make_transport(self, installed: Callable[..., Installed]) -> Callable[[], Transport]:
        return installed("v1-able").transport


class TestWatchOfV1(ResolverConformance):
    not_promised: ClassVar = {"outages": "a folder is there or it is not"}

    @pytest.fixture
    def registry(self, installed: Callable[..., Installed], tmp_path: Path) -> Registry:
        return Folder(installed("v1-able", folder=tmp_path / "names"), tmp_path / "names")
