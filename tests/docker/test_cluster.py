"""A cluster whose tasks are containers: ``iris up`` and ``iris worker`` as processes of their own."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import docker
import pytest

from iris.actor import ActorClient
from iris.client import WorkerPool, WorkerPoolConfig
from iris.client.job import Job
from iris.cluster.types import CauseKind, Constraint, Entrypoint, JobState, ResourceSpec, TaskState
from iris_api.ids import new_id
from iris_api.testing import wait_for_condition
from tests.chaos.trio import LIMIT, Trio
from tests.docker import tasks
from tests.docker.boxes import Boxes, boxed, own_boxes, own_user

pytestmark = pytest.mark.timeout(120)

PIDS = 100
HOST = '[pools.host]\nplatform = "local"\nruntime = "process"\nmin = 0\nmax = 1\n'


@pytest.fixture(scope="module", autouse=True)
def by_value() -> Iterator[None]:
    cloudpickle.register_pickle_by_value(tasks)
    yield
    cloudpickle.unregister_pickle_by_value(tasks)


@pytest.fixture(scope="module")
def boxes(docker_client: docker.DockerClient) -> Iterator[Boxes]:
    with own_boxes(docker_client) as made:
        yield made


@pytest.fixture(scope="module")
def gateway(docker_client: docker.DockerClient) -> str:
    """This machine's address as containers and others reach it."""
    (found,) = docker_client.networks.get("bridge").attrs["IPAM"]["Config"]
    return str(found["Gateway"])


@pytest.fixture(scope="module")
def cluster(
    boxes: Boxes, image: str, gateway: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Trio]:
    """Worker ``local`` is for this machine alone, ``open`` for others too; ``host`` runs processes."""
    directory = tmp_path_factory.mktemp("cluster")
    with (
        own_user(directory / "user"),
        boxed(
            directory,
            boxes,
            image,
            platform=f"pids = {PIDS}",
            workers=("local", "open", "host"),
            tables=HOST,
            options={"open": ("--advertise-host", gateway), "host": ("--pool", "host")},
        ) as made,
    ):
        yield made


@pytest.fixture
def end(tmp_path: Path, cluster: Trio) -> Iterator[Path]:
    """A file that tasks see; all jobs are ended after a test."""
    yield cluster.folder.path / f"{tmp_path.name}.end"
    for job in cluster.client.list_jobs():
        if not job.state.ended:
            cluster.client.terminate(job.job_id)


@pytest.fixture
def run(cluster: Trio, end: Path) -> Callable[..., Job]:
    """Submits a call, to a worker."""

    def submit(function: Callable[..., Any], *arguments: Any, on: str = "local", **options: Any) -> Job:
        return cluster.client.submit(
            name=new_id(function.__name__.replace("_", "-")),
            entrypoint=Entrypoint.from_callable(function, *arguments),
            constraints=[on_worker(on)],
            **options,
        )

    return submit


def on_worker(name: str) -> Constraint:
    return Constraint("slice", "EQ", name)


def said(job: Job) -> list[str]:
    """All that a job has said that ends well."""
    job.wait(timeout=LIMIT)
    return [entry.data for entry in job.tasks()[0].logs()]


def first_line(job: Job) -> str:
    return next(job.tasks()[0].logs(follow=True)).data


@pytest.mark.slow
@pytest.mark.parametrize("on", ["local", "open"])
def test_who_reaches_an_actor_in_a_container(
    cluster: Trio, run: Callable[..., Job], end: Path, on: str
) -> None:
    """A client, a process of this machine, and a container: here at any port, elsewhere at a named one."""
    server = run(tasks.serve, "/where", str(end), on=on, ports=["actor"])
    container = first_line(server).removeprefix("serves ")
    assert ActorClient(cluster.client.resolver(server), "/where", timeout=20.0).tell() == container
    askers = {where: run(tasks.ask, "/where", on=where) for where in ("host", "local", "open")}
    for where, asker in askers.items():
        ((found, own),) = [line.split() for line in said(asker)]
        assert found == container, where
        assert own != container, where
    end.touch()
    server.wait(timeout=LIMIT)


@pytest.mark.slow
@pytest.mark.parametrize("on", ["local", "open"])
def test_a_pool_of_containers(cluster: Trio, on: str) -> None:
    """Each of its workers is one."""
    config = WorkerPoolConfig(num_workers=2, constraints=[on_worker(on)])
    with WorkerPool(cluster.client, config) as pool:
        wait_for_condition(lambda: pool.size == 2, LIMIT)
        found = {future.result(timeout=LIMIT) for future in [pool.submit(tasks.where) for _ in range(40)]}
    assert len(found) == 2
    assert tasks.where() not in found


@pytest.mark.parametrize(("on", "address"), [("local", "127.0.0.1"), ("open", "")])
def test_a_named_port_is_published(
    run: Callable[..., Job], gateway: str, boxes: Boxes, on: str, address: str
) -> None:
    """At the address of its worker."""
    server = run(tasks.publish, "web", on=on, ports=["web"])
    url = f"http://{address or gateway}:{first_line(server)}"
    with urllib.request.urlopen(url, timeout=10) as reply:
        assert boxes.of(server).startswith(reply.read().decode())


def test_a_job_is_submitted_from_inside(cluster: Trio, run: Callable[..., Job]) -> None:
    """To a controller that listens on loopback. It is a container of its own, and is seen from outside."""
    job = run(tasks.has_child)
    ((own, childs),) = [line.split() for line in said(job)]
    assert own != childs
    (child,) = cluster.client.list_jobs(prefix=f"{job.job_id}/")
    assert (child.job_id, child.state) == (f"{job.job_id}/child", JobState.SUCCEEDED)


def test_a_cancelled_job_leaves_nothing(
    cluster: Trio, run: Callable[..., Job], boxes: Boxes, end: Path
) -> None:
    job = run(tasks.serve, "cancelled", str(end))
    first_line(job)
    uid = cluster.attempts(job)[0].uid
    job.terminate()
    boxes.wait_until_gone(uid)
    status = job.wait(timeout=LIMIT, raise_on_failure=False)
    assert status.cause is not None
    assert (status.state, status.cause.kind) == (JobState.KILLED, CauseKind.CANCELLED)


@pytest.mark.parametrize("how", ["it ends", "it is cancelled", "its container is killed"])
def test_a_childs_container_goes_with_its_parent(
    cluster: Trio, run: Callable[..., Job], boxes: Boxes, end: Path, how: str
) -> None:
    job = run(tasks.parent, str(end), max_retries_preemption=0)
    wait_for_condition(lambda: cluster.client.list_jobs(prefix=f"{job.job_id}/"), LIMIT)
    jobs = (job.job_id, f"{job.job_id}/child")
    wait_for_condition(lambda: all(cluster.client.status(one).tasks[0].attempts for one in jobs), LIMIT)
    uids = [cluster.client.status(one).tasks[0].attempts[0].uid for one in jobs]
    wait_for_condition(lambda: all(map(boxes.is_running, uids)), LIMIT)
    if how == "it ends":
        end.touch()
    elif how == "it is cancelled":
        job.terminate()
    else:
        boxes.client.api.kill(boxes.of(job))
    boxes.wait_until_gone(*uids)
    (child,) = cluster.client.list_jobs(prefix=f"{job.job_id}/")
    assert child.cause is not None
    assert child.cause.kind is CauseKind.PARENT_ENDED


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "causes"),
    [
        pytest.param("kill", {CauseKind.KILLED_OUTSIDE}, id="docker kill"),
        pytest.param("stop", {CauseKind.KILLED_OUTSIDE}, id="docker stop"),
        pytest.param("remove", {CauseKind.KILLED_OUTSIDE, CauseKind.WORKER_LOST}, id="docker rm -f"),
    ],
)
def test_somebody_ends_a_container(
    cluster: Trio, boxes: Boxes, end: Path, how: str, causes: set[CauseKind]
) -> None:
    """It is tried again, at the platform's cost: a user's failure would be the end."""
    counts = f"i=0; until [ -e {end} ]; do echo $i; i=$((i+1)); sleep 0.1; done"
    job = cluster.client.submit(
        name=new_id("counts"),
        entrypoint=Entrypoint.from_command("sh", "-c", counts),
        constraints=[on_worker("local")],
    )
    wait_for_condition(lambda: cluster.runs(job) and cluster.lines(job), LIMIT)
    container = boxes.client.containers.get(boxes.of(job))
    {"kill": container.kill, "stop": container.stop, "remove": lambda: container.remove(force=True)}[how]()
    wait_for_condition(lambda: len(cluster.attempts(job)) == 2 and cluster.runs(job), LIMIT)
    first = cluster.attempts(job)[0]
    assert first.state is TaskState.WORKER_FAILED
    assert first.cause is not None
    assert first.cause.kind in causes
    assert cluster.lines(job, 0) == [str(number) for number in range(len(cluster.lines(job, 0)))]
    boxes.wait_until_gone(first.uid)
    end.touch()
    job.wait(timeout=LIMIT)
    assert len(cluster.attempts(job)) == 2


@pytest.mark.slow
def test_neighbours_of_one_that_takes_too_much(cluster: Trio, run: Callable[..., Job], end: Path) -> None:
    """One takes all the memory that it may have and one all the processes; no other notices."""
    neighbour = run(tasks.serve, "neighbour", str(end))
    container = first_line(neighbour).removeprefix("serves ")
    fills = run(tasks.fill, resources=ResourceSpec(memory="64MB"))
    breeds = run(tasks.breed, 10_000)
    status = fills.wait(timeout=LIMIT, raise_on_failure=False)
    assert status.cause is not None
    assert status.cause.kind is CauseKind.OUT_OF_MEMORY
    assert "64MB" in status.cause.message
    assert (status.cause.memory_peak or 0) >= 64_000_000
    assert PIDS - 10 < int(said(breeds)[0]) < PIDS
    actor = ActorClient(cluster.client.resolver(neighbour), "neighbour", timeout=20.0)
    assert actor.tell() == container
    end.touch()
    assert neighbour.wait(timeout=LIMIT).state is JobState.SUCCEEDED
    assert len(cluster.attempts(neighbour)) == 1
