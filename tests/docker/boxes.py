"""A cluster of real processes whose tasks are containers, and what of these there is."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest
from attrs import evolve, frozen

from iris.client.job import Job
from iris_api.ids import new_uid
from iris_api.testing import wait_for_condition
from tests.chaos.trio import LIMIT, SOON, Trio, trio
from tests.chaos.workload import Folder

__all__ = ["Boxes", "boxed", "own_boxes", "own_user"]


@frozen
class Boxes:
    """What a daemon has of one cluster."""

    client: docker.DockerClient
    cluster: str

    def containers(self) -> dict[str, Mapping[str, Any]]:
        """As the daemon lists them, by their attempt."""
        found = self.client.api.containers(all=True, filters={"label": f"iris.cluster={self.cluster}"})
        return {one["Labels"]["iris.attempt"]: one for one in found}

    def of(self, job: Job) -> str:
        """The id of the container of a job's last attempt."""
        return str(self.containers()[job.status().tasks[0].attempts[-1].uid]["Id"])

    def is_running(self, uid: str) -> bool:
        return uid in (found := self.containers()) and found[uid]["State"] == "running"

    def left(self) -> list[str]:
        """Containers and networks that are there."""
        networks = self.client.api.networks(filters={"label": f"iris.cluster={self.cluster}"})
        return [*(one["Names"][0] for one in self.containers().values()), *(one["Name"] for one in networks)]

    def wait_until_gone(self, *uids: str, timeout: float = SOON) -> None:
        """Also those that have ended must be removed."""
        wait_for_condition(
            lambda: not set(uids) & self.containers().keys(), timeout, message=f"the end of {uids}"
        )

    def remove(self) -> None:
        for one in self.containers().values():
            self.client.api.remove_container(one["Id"], v=True, force=True)


@contextmanager
def own_boxes(client: docker.DockerClient) -> Iterator[Boxes]:
    """Those of a cluster that has a name of its own. What a test leaves is removed, and fails it."""
    boxes = Boxes(client, f"test-{new_uid()}")
    yield boxes
    left = boxes.left()
    boxes.remove()
    assert not left, f"left behind: {left}"


@contextmanager
def own_user(state: Path) -> Iterator[None]:
    """The state of a user for what several tests use, as each test by itself has one."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("IRIS_")]:
            patch.delenv(name)
        patch.setenv("XDG_STATE_HOME", str(state))
        yield


@contextmanager
def boxed(
    directory: Path,
    boxes: Boxes,
    image: str,
    *,
    settings: str = "worker_grace = 30.0\n",
    platform: str = "",
    workers: Sequence[str] = ("one", "two"),
    options: Mapping[str, Sequence[str]] | None = None,
    tables: str = "",
) -> Iterator[Trio]:
    """A controller at loopback and workers, whose tasks share a folder with the test. `settings` of the
    controller, `platform`: lines of the platform's table. At the end all is gone, in order."""
    shared = directory / "shared"
    shared.mkdir()
    shared.chmod(0o777)  # tasks of a worker of root are nobody's
    written = (
        f'[cluster]\nname = "{boxes.cluster}"\n{tables}\n'
        f'[platforms.docker]\nkind = "docker"\nimage = "{image}"\npull = "never"\n'
        f'mounts = ["{shared}:{shared}:rw"]\n{platform}\n'
    )
    with trio(
        directory, workers=workers, runtime="docker", settings=settings, tables=written, options=options
    ) as made:
        cluster = evolve(made, folder=Folder(shared))
        yield cluster
        for job in cluster.client.list_jobs():
            cluster.client.terminate(job.job_id)
        wait_for_condition(lambda: not boxes.left(), LIMIT, message=f"nothing left of {boxes.cluster}")
        cluster.end()
