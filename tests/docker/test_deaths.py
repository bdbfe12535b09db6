"""A worker or a controller that is killed while a job runs in containers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from iris.client.job import Job
from iris.cluster.types import CauseKind, TaskState
from iris_api.testing import wait_for_condition
from tests.chaos.trio import GRACE, LIMIT, Trio
from tests.docker.boxes import Boxes, boxed, own_boxes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def boxes(docker_client: docker.DockerClient) -> Iterator[Boxes]:
    with own_boxes(docker_client) as made:
        yield made


@pytest.fixture
def cluster(boxes: Boxes, image: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Trio]:
    """A worker is lost after as many seconds as the test says."""
    grace, workers = getattr(request, "param", (30.0, ("one",)))
    with boxed(tmp_path, boxes, image, workers=workers, settings=f"worker_grace = {grace}\n") as made:
        yield made


def ends_on_word(cluster: Trio) -> Job:
    waits = f"echo before; until [ -e {word(cluster)} ]; do sleep 0.1; done; echo after"
    job = cluster.client.submit(name="ends", entrypoint=cluster.folder.script(waits))
    wait_for_condition(lambda: cluster.runs(job) and cluster.lines(job), LIMIT)
    return job


def word(cluster: Trio) -> Path:
    return cluster.folder.path / "go"


@pytest.mark.parametrize("who", ["the worker", "the controller"])
def test_one_that_comes_back(cluster: Trio, boxes: Boxes, who: str) -> None:
    """A container has not noticed; another one's end, meanwhile, is known. No line is lost or doubled."""
    ends, goes_on = ends_on_word(cluster), cluster.counting()
    container, before, (attempt,) = boxes.of(goes_on), len(cluster.lines(goes_on)), cluster.attempts(ends)
    program = cluster.controller if who == "the controller" else cluster.workers["one"]
    program.kill()
    word(cluster).touch()
    wait_for_condition(lambda: not boxes.is_running(attempt.uid), LIMIT)
    if who == "the controller":
        cluster.site.start_up(program)
    else:
        cluster.site.start_worker(program, "one")
    ends.wait(timeout=LIMIT)
    assert cluster.lines(ends) == ["before", "after"]
    wait_for_condition(lambda: len(cluster.lines(goes_on)) > before + 10, LIMIT, message="more lines")
    assert boxes.of(goes_on) == container
    cluster.finish(goes_on)
    assert [len(cluster.attempts(job)) for job in (goes_on, ends)] == [1, 1]


@pytest.mark.parametrize("cluster", [(GRACE, ("one", "two"))], indirect=True, ids=["two workers"])
def test_a_worker_that_does_not_come_back(cluster: Trio, boxes: Boxes) -> None:
    """Its container has ended before another worker has the task; that costs the user nothing. One that comes
    late finds nothing to do."""
    job = cluster.counting()
    (first,) = cluster.attempts(job)
    lost = cluster.workers[first.worker_id]
    lost.kill()
    wait_for_condition(lambda: len(cluster.attempts(job)) == 2, LIMIT, message="another attempt")
    assert not boxes.is_running(first.uid)
    wait_for_condition(lambda: cluster.runs(job), LIMIT)
    before, after = cluster.attempts(job)
    assert before.state is TaskState.WORKER_FAILED
    assert before.cause is not None
    assert before.cause.kind is CauseKind.WORKER_LOST
    assert after.worker_id != before.worker_id
    boxes.wait_until_gone(first.uid)
    cluster.site.start_worker(lost, first.worker_id)
    cluster.finish(job)
    assert len(cluster.attempts(job)) == 2
