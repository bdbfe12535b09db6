"""A cluster whose machines are containers of this Docker host."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from iris.actor import ActorClient
from iris.client import IrisClient
from iris.client.job import Job
from iris.cluster.types import CauseKind, Entrypoint, TaskState
from iris_api.testing import wait_for_condition
from tests.docker.three import LIMIT, Three

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, image: str, docker_client: docker.DockerClient
) -> Iterator[Three]:
    three = Three(tmp_path_factory.mktemp("three"), image, docker_client)
    try:
        yield three
    finally:
        told = three.down()
    assert three.left() == [], told


@pytest.fixture
def three(cluster: Three) -> Three:
    """With three machines that are well, whatever the test before has done."""
    cluster.whole()
    return cluster


def where_it_runs() -> Callable[[], None]:
    """A task that says where it is."""

    def tell() -> None:
        import json
        import os
        import socket

        told = (os.environ[name] for name in ("IRIS_WORKER_ID", "IRIS_ADVERTISE_HOST"))
        print(json.dumps([*told, socket.gethostname(), os.getuid()]))

    return tell


def parked() -> Callable[[], None]:
    def park() -> None:
        import time

        time.sleep(600)

    return park


def host_of_a_counter() -> Callable[[], None]:
    """A task that serves an actor until it shall end."""

    class Counter:
        def __init__(self) -> None:
            self.count = 0

        def add(self, number: int) -> int:
            self.count += number
            return self.count

    def host() -> None:
        import time

        from iris.actor import ActorServer

        with ActorServer() as server:
            server.register("/counter", Counter())
            server.serve_background()
            print("serves", flush=True)
            time.sleep(600)

    return host


def caller_of_the_counter() -> Callable[[], None]:
    def call() -> None:
        from iris.actor import ActorClient
        from iris.client import iris_ctx

        print(ActorClient(iris_ctx().resolver, "/counter", timeout=20).add(5))

    return call


def lines(job: Job) -> list[str]:
    return [entry.data for task in job.tasks() for entry in task.logs() if entry.source == "stdout"]


def test_tasks_run_on_three_machines(three: Three) -> None:
    """Each has an address, a name and a user of its own."""
    job = three.submit(where_it_runs(), replicas=3)
    job.wait(timeout=LIMIT)
    told = [json.loads(line) for line in lines(job)]
    workers, addresses, hosts, users = (set(column) for column in zip(*told, strict=True))
    assert workers == hosts == three.machines.keys()
    assert len(addresses) == 3
    assert users == {65534}


def test_a_worker_tells_its_slice(three: Three) -> None:
    """Its machine's place in it too, and the pool's resources."""
    workers = [one for one in three.client.list_workers() if one.worker_id in three.healthy]
    assert len(workers) == 3
    for worker in workers:
        own = three.machines[worker.worker_id].labels
        assert (worker.attributes["slice"], worker.attributes["slice_index"]) == (own["iris.slice"], "0")
        assert (worker.total.cpu, worker.total.memory) == (1.0, 200_000_000)


def test_the_token_does_not_show(three: Three) -> None:
    """Not to those who may ask the daemon for a container's environment and arguments."""
    token = (three.directory / "state" / "token").read_text()
    for machine in three.machines.values():
        assert token not in json.dumps(machine.attrs)


def test_actors_are_called_across_machines(three: Three) -> None:
    """From a task on another machine, and from the client on the host."""
    server = three.submit(host_of_a_counter())
    wait_for_condition(lambda: lines(server), LIMIT, message="the actor")
    caller = three.submit(caller_of_the_counter())
    caller.wait(timeout=LIMIT)
    assert lines(caller) == ["5"]
    assert three.attempts(caller)[0].worker_id != three.attempts(server)[0].worker_id
    assert ActorClient(three.client.resolver(), "/counter", timeout=20).add(3) == 8
    server.terminate()


def test_a_task_of_a_killed_machine_goes_on_elsewhere(three: Three) -> None:
    """At the platform's cost: the job has none of its own for failures. The pool gets another machine."""
    job = three.submit(parked())
    first = three.running_on(job)
    three.machines[first].kill()
    second = three.running_on(job, 1)
    assert second != first
    lost = three.attempts(job)[0]
    assert lost.state is TaskState.WORKER_FAILED
    assert lost.cause is not None
    assert lost.cause.kind is CauseKind.WORKER_LOST
    job.terminate()
    three.whole()
    assert first not in three.machines


def test_a_task_of_a_paused_machine_goes_on_elsewhere(three: Three) -> None:
    """After the grace. The machine that wakes up ends what was given away, and is a machine again."""
    job = three.submit(parked())
    first = three.running_on(job)
    three.machines[first].pause()
    second = three.running_on(job, 1)
    lost = three.attempts(job)[0]
    assert second != first
    assert lost.cause is not None
    assert (lost.state, lost.cause.kind) == (TaskState.WORKER_FAILED, CauseKind.WORKER_LOST)
    three.machines[first].unpause()
    three.whole()
    assert first in three.machines
    job.terminate()


def test_a_machine_that_is_cut_off_comes_back(three: Three) -> None:
    """It is lost while it has no network."""
    name, machine = next(iter(three.machines.items()))
    network = three.daemon.networks.get(f"iris-{three.name}")
    network.disconnect(machine)
    wait_for_condition(lambda: name not in three.healthy, LIMIT, message=f"{name} to be lost")
    network.connect(machine)
    three.whole()
    assert name in three.machines


def test_machines_outlive_their_controller(
    tmp_path: Path, image: str, docker_client: docker.DockerClient
) -> None:
    """The next one has them, and what runs on them; the way in to it is where it was. Without one they can
    be deleted."""
    cluster = Three(tmp_path, image, docker_client, count=1)
    try:
        job = cluster.submit(parked())
        first, before = cluster.running_on(job), set(cluster.machines)
        cluster.crash()
        cluster.whole()
        assert cluster.running_on(cluster.client.job(job.job_id)) == first
        assert set(cluster.machines) == before
    finally:
        told = cluster.down()
    assert told.endswith("No machines are left.\n")
    assert cluster.left() == []


def test_a_cluster_that_keeps_nothing_leaves_nothing(
    tmp_path: Path, image: str, docker_client: docker.DockerClient
) -> None:
    config = tmp_path / "iris.toml"
    config.write_text(
        f'[cluster]\nname = "passing"\n[platforms.docker]\nkind = "docker"\nimage = "{image}"\n'
        '[pools.default]\nplatform = "docker"\nsize = 2\n'
    )
    with IrisClient.local(config=config) as client:
        wait_for_condition(lambda: len(client.list_workers()) == 2, LIMIT, message="two machines")
        told = client.submit(name="job", entrypoint=Entrypoint.from_command("hostname"))
        told.wait(timeout=LIMIT)
        assert {worker.attributes["slice_index"] for worker in client.list_workers()} == {"0", "1"}
    containers = docker_client.containers.list(all=True, ignore_removed=True)
    assert not [one for one in containers if "passing" in str(one.name)]
    assert not [one for one in docker_client.networks.list() if "passing" in one.attrs["Name"]]
