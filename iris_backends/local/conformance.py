"""What the local platform promises: the rules of its machines and of its runtime."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pytest
from attrs import define, field

from iris_api.context import WorkerSpec
from iris_api.platform import Machines, Runtime
from iris_api.testing import Installed, MachinesConformance, RuntimeConformance

__all__ = ["TestLocalMachines", "TestLocalRuntime"]


@define
class Workers:
    """Those that run in this process, at most as many as there is `room` for."""

    room: int = 100
    ids: set[str] = field(factory=set)

    def run(self, spec: WorkerSpec) -> Worker:
        if len(self.ids) >= self.room:
            raise OSError("no more threads can be made")
        self.ids.add(spec.worker_id)
        return Worker(self.ids, spec.worker_id)


@define
class Worker:
    ids: set[str]
    worker_id: str

    def is_alive(self) -> bool:
        return self.worker_id in self.ids

    def stop(self) -> None:
        self.ids.discard(self.worker_id)


class TestLocalMachines(MachinesConformance):
    """Each cluster has a directory of its own, as each controller has."""

    not_promised: ClassVar = {
        "shared": "its workers are threads of one process, and that process alone sees to them",
        "no_capacity": "a process has room for any number of workers",
        "denied": "nobody needs a right to start a thread",
    }

    @pytest.fixture
    def workers(self) -> Workers:
        return Workers()

    @pytest.fixture
    def make_machines(
        self, installed: Callable[..., Installed], workers: Workers
    ) -> Callable[[str], Machines]:
        plugin = installed("local")
        return lambda cluster: plugin.machines(cluster=cluster, run_worker=workers.run)

    @pytest.fixture
    def exists(self, workers: Workers) -> Callable[[str], bool]:
        return lambda slice_id: any(one.startswith(f"{slice_id}-") for one in workers.ids)

    @pytest.fixture
    def machines_failing(self, workers: Workers, make_machines: Callable[[str], Machines]) -> Machines:
        workers.room = 0
        return make_machines("failing")

    @pytest.fixture
    def machines_with_room_for_one(
        self, workers: Workers, make_machines: Callable[[str], Machines]
    ) -> Machines:
        workers.room = 1
        return make_machines("small")


class TestLocalRuntime(RuntimeConformance):
    """Commands are processes that end with this one, and calls are threads of it."""

    not_promised: ClassVar = {
        "interpreter": "a call shares the packages of its process",
        "prints": "a thread shares the output of its process; what it logs is its own",
        "mounts": "a task sees the directories of this machine as they are",
        "memory_limit": "threads share their process's memory, and a command has no limit of its own",
        "kill_calls": "a thread cannot be killed: one that does not heed its stop is given up, and may go on",
        "adopt": "what it runs ends with its process",
        "exec": "neither a thread nor a process group is a place that a command could be run in",
    }

    @pytest.fixture
    def make_runtime(self, installed: Callable[..., Installed]) -> Callable[[], Runtime]:
        return installed("local").runtime
