"""A Docker daemon that is killed while a job runs on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import docker
import pytest
from attrs import frozen

from iris.cluster.types import CauseKind, JobState, TaskState
from iris_api.testing import wait_for_condition
from tests.chaos.trio import LIMIT, Trio
from tests.docker.boxes import Boxes, boxed, own_boxes
from tests.docker.daemon import Daemon
from tests.docker.image import ensure_image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

Start = Callable[..., Daemon]


@frozen
class World:
    """A cluster whose containers are on a daemon of its own."""

    daemon: Daemon
    cluster: Trio
    boxes: Boxes


@contextmanager
def world(daemon: Daemon, directory: Path) -> Iterator[World]:
    """After its end the daemon has nothing any more: its image makes a volume for each container."""
    with closing(daemon.client()) as client:
        platform = f'host = "{daemon.url}"'
        with own_boxes(client) as boxes:
            image = with_volume(client)
            with boxed(directory, boxes, image, platform=platform, workers=("one",)) as cluster:
                yield World(daemon, cluster, boxes)
        assert not client.containers.list(all=True)
        assert not client.volumes.list()
        assert {one.name for one in client.networks.list()} == {"bridge", "host", "none"}


def with_volume(client: docker.DockerClient) -> str:
    container = client.containers.create(ensure_image(client))
    container.commit("test", "volume", changes="VOLUME /volume")
    container.remove()
    return "test:volume"


def test_one_that_keeps_containers(start_daemon: Start, tmp_path: Path) -> None:
    """The task goes on, and no line is lost or doubled."""
    with world(start_daemon("--live-restore"), tmp_path) as here:
        job = here.cluster.counting()
        container, before = here.boxes.of(job), len(here.cluster.lines(job))
        here.daemon.kill()
        here.daemon.start()
        wait_for_condition(lambda: len(here.cluster.lines(job)) > before + 20, LIMIT, message="more lines")
        assert here.boxes.of(job) == container
        here.cluster.finish(job)
        assert len(here.cluster.attempts(job)) == 1


def test_a_job_that_ends_while_the_daemon_is_away(start_daemon: Start, tmp_path: Path) -> None:
    """Its own exit code is told when the daemon is back. Docker has not kept what it said meanwhile."""
    with world(start_daemon("--live-restore"), tmp_path) as here:
        cluster, go = here.cluster, here.cluster.folder.path / "go"
        script = f"echo before; until [ -e {go} ]; do sleep 0.1; done; echo after; touch {go}.gone; exit 7"
        job = cluster.client.submit(name="ends", entrypoint=cluster.folder.script(script))
        wait_for_condition(lambda: cluster.runs(job) and cluster.lines(job), LIMIT)
        here.daemon.kill()
        go.touch()
        wait_for_condition(go.with_name("go.gone").exists, LIMIT)
        here.daemon.start()
        status = job.wait(timeout=LIMIT, raise_on_failure=False)
        assert status.cause is not None
        assert (status.state, status.cause.exit_code) == (JobState.FAILED, 7)
        assert cluster.lines(job)[0] == "before"
        assert cluster.lines(job).count("before") == 1
        assert len(cluster.attempts(job)) == 1


def test_one_that_stops_containers(start_daemon: Start, tmp_path: Path) -> None:
    """The next daemon ends the container: that is the platform's fault, and the task is tried again."""
    with world(start_daemon(), tmp_path) as here:
        cluster = here.cluster
        job = cluster.counting()
        here.daemon.kill()
        here.daemon.start()
        wait_for_condition(lambda: len(cluster.attempts(job)) > 1 and cluster.runs(job), LIMIT)
        first = cluster.attempts(job)[0]
        assert first.state is TaskState.WORKER_FAILED
        assert first.cause is not None
        assert first.cause.kind in (CauseKind.WORKER_LOST, CauseKind.KILLED_OUTSIDE)
        lines = cluster.lines(job, 0)
        assert lines == [f"count {number}" for number in range(len(lines))]
        cluster.finish(job)


def test_a_job_that_is_submitted_while_the_daemon_is_away(start_daemon: Start, tmp_path: Path) -> None:
    """It runs when the daemon is back; what it costs is not the user's."""
    with world(start_daemon("--live-restore"), tmp_path) as here:
        cluster = here.cluster
        cluster.finish(cluster.counting())
        here.daemon.kill()
        job = cluster.client.submit(name="waits", entrypoint=cluster.folder.script("echo here"))
        wait_for_condition(lambda: cluster.attempts(job), LIMIT)
        here.daemon.start()
        job.wait(timeout=LIMIT)
        assert cluster.lines(job) == ["here"]


def test_a_job_that_is_cancelled_while_the_daemon_is_away(start_daemon: Start, tmp_path: Path) -> None:
    """Its container ends when the daemon is back."""
    with world(start_daemon("--live-restore"), tmp_path) as here:
        job = here.cluster.counting()
        (attempt,) = here.cluster.attempts(job)
        here.daemon.kill()
        job.terminate()
        here.daemon.start()
        status = job.wait(timeout=LIMIT, raise_on_failure=False)
        assert status.state is JobState.KILLED
        assert status.cause is not None
        assert status.cause.kind is CauseKind.CANCELLED
        here.boxes.wait_until_gone(attempt.uid)


def test_worker_and_daemon_die_together(start_daemon: Start, tmp_path: Path) -> None:
    """As when a machine's services are restarted: the next worker goes on with the container."""
    with world(start_daemon("--live-restore"), tmp_path) as here:
        job = here.cluster.counting(worker="one")
        container, worker = here.boxes.of(job), here.cluster.workers["one"]
        here.daemon.kill()
        worker.kill()
        here.daemon.start()
        here.cluster.site.start_worker(worker, "one")
        assert here.boxes.of(job) == container
        here.cluster.finish(job)
        assert len(here.cluster.attempts(job)) == 1
