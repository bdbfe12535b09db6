"""Hosts that cannot reach one another: a controller, two workers and this process, each its own host."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from iris.actor import ActorClient
from iris.client import WaitTimeout
from iris.client.errors import ControllerUnreachable
from iris.client.job import Job
from iris.cluster.types import CauseKind, Constraint, Entrypoint, JobState, TaskState
from iris_api.errors import DeadlineExceeded, IrisError, Lost, TransportError
from iris_api.testing import wait_for_condition
from iris_api.testing.relay import relay_to
from iris_api.threads import ThreadContainer
from tests.chaos import tasks
from tests.chaos.trio import GRACE, LIMIT, SOON, Trio, trio
from tests.rigs.hosts import Host, Network, network

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


class Land:
    """The hosts, and the cluster on them."""

    def __init__(self, net: Network, cluster: Trio, hosts: dict[str, Host]) -> None:
        self.cluster, self.hosts, self.here = cluster, hosts, net.here

    @property
    def controller(self) -> Host:
        return self.hosts["controller"]

    def heal(self) -> None:
        for host in self.hosts.values():
            host.heal()


@contextmanager
def made_of_hosts(directory: Path, grace: float) -> Iterator[Land]:
    with network() as net:
        hosts = {name: net.host(name[:3]) for name in ("controller", "one", "two")}
        within = {name: host.within for name, host in hosts.items()}
        settings = f"worker_grace = {grace}"
        with trio(directory, host=hosts["controller"].address, within=within, settings=settings) as cluster:
            made = Land(net, cluster, hosts)
            yield made
            made.heal()


@pytest.fixture
def land(tmp_path: Path) -> Iterator[Land]:
    with made_of_hosts(tmp_path, GRACE) as made:
        yield made


@pytest.fixture
def patient_land(tmp_path: Path) -> Iterator[Land]:
    """Nobody is given up there."""
    with made_of_hosts(tmp_path, LIMIT) as made:
        yield made


def cut(land: Land, worker: str) -> None:
    land.controller.drop_from(land.hosts[worker])
    land.controller.drop_to(land.hosts[worker])


def cut_from_worker(land: Land, worker: str) -> None:
    """The controller hears nothing of it."""
    land.controller.drop_from(land.hosts[worker])


def cut_to_worker(land: Land, worker: str) -> None:
    """It hears nothing of the controller."""
    land.hosts[worker].drop_from(land.controller)


CUTS = [cut, cut_from_worker, cut_to_worker]


@pytest.mark.chaos
@pytest.mark.parametrize("how", CUTS)
def test_a_short_partition(land: Land, how: Callable[[Land, str], None]) -> None:
    """Nothing happens, in whatever direction."""
    job = land.cluster.counting(worker="one")
    how(land, "one")
    time.sleep(GRACE / 3)
    land.heal()
    time.sleep(GRACE + 1.0)
    assert len(land.cluster.attempts(job)) == 1
    land.cluster.finish(job)
    assert len(land.cluster.attempts(job)) == 1
    land.cluster.end()


@pytest.mark.parametrize("how", [cut, *(pytest.param(one, marks=pytest.mark.chaos) for one in CUTS[1:])])
def test_a_long_partition(land: Land, how: Callable[[Land, str], None]) -> None:
    """The work is done on the other host; the one that was cut off is told to stop it when it is heard again,
    and what its task has said since is not kept."""
    cluster = land.cluster
    job = cluster.counting()
    (first,) = cluster.attempts(job)
    how(land, first.worker_id)
    wait_for_condition(lambda: len(cluster.attempts(job)) == 2, LIMIT, message="another try")
    wait_for_condition(lambda: job.state is JobState.RUNNING, LIMIT)
    kept = cluster.lines(job, 0)
    land.heal()
    wait_for_condition(lambda: not cluster.lost(), LIMIT, message="the worker to be regained")
    wait_for_condition(lambda: not cluster.processes_of_attempt(first.uid), SOON)
    before, after = cluster.attempts(job)
    assert (before.state, after.state) == (TaskState.WORKER_FAILED, TaskState.RUNNING)
    assert before.cause is not None
    assert before.cause.kind is CauseKind.WORKER_LOST
    assert cluster.lines(job, 0) == kept
    cluster.finish(job)
    assert [one.uid for one in cluster.attempts(job)] == [before.uid, after.uid]
    cluster.end()


@pytest.mark.chaos
def test_resets(patient_land: Land) -> None:
    """However often connections break, nothing is lost or done twice."""
    land, cluster = patient_land, patient_land.cluster
    jobs = [cluster.counting(name, name) for name in ("one", "two")]
    later: list[Job] = []
    for number in range(8):
        for host in land.hosts.values():
            for other in land.hosts.values():
                if other is not host:
                    host.reset_to(other)
        time.sleep(0.3)
        land.heal()
        entry = cluster.folder.script(f"echo {number}")
        later.append(cluster.client.submit(name=f"later-{number}", entrypoint=entry))
        time.sleep(0.3)
    check_each_ran_once(cluster, later)
    cluster.finish(*jobs)
    assert [len(cluster.attempts(job)) for job in jobs] == [1, 1]
    cluster.end()


@pytest.mark.chaos
def test_loss(land: Land) -> None:
    """A fifth of all packets is gone: everything takes longer, and comes out the same."""
    cluster = land.cluster
    job = cluster.counting()
    for host in land.hosts.values():
        host.lose(0.2)
    later = [
        cluster.client.submit(name=f"later-{i}", entrypoint=cluster.folder.script(f"echo {i}"))
        for i in range(10)
    ]
    for one in later:
        one.wait(timeout=2 * LIMIT)
    land.heal()
    wait_for_condition(lambda: not cluster.lost(), LIMIT)
    assert [cluster.lines(one) for one in later] == [[f"{i}"] for i in range(10)]
    cluster.finish(job)
    cluster.end()


def check_each_ran_once(cluster: Trio, jobs: list[Job]) -> None:
    for number, job in enumerate(jobs):
        job.wait(timeout=LIMIT)
        assert len(cluster.attempts(job)) == 1
        assert cluster.lines(job) == [f"{number}"]
    started = cluster.folder.started()
    assert len(started) == len(set(started))


def timed(call: Callable[[], object], most: float, *errors: type[Exception]) -> str:
    """What a call says that ends by its deadline."""
    began = time.monotonic()
    with pytest.raises(errors) as caught:
        call()
    assert time.monotonic() - began < most
    assert str(caught.value)
    return str(caught.value)


def actor_on(cluster: Trio, worker: str) -> tuple[Job, ActorClient]:
    entry = Entrypoint.from_callable(tasks.serve, str(cluster.folder.ran), "counter", str(cluster.folder.end))
    job = cluster.client.submit(
        name="server", entrypoint=entry, constraints=[Constraint("slice", "EQ", worker)]
    )
    actor = ActorClient(cluster.client.resolver(job), "counter", timeout=4.0)
    wait_for_condition(lambda: try_call(actor), LIMIT, message="the actor to answer")
    return job, actor


@pytest.mark.chaos
def test_half_open_connections(land: Land, threads: ThreadContainer) -> None:
    """All goes silent while a wait and a call are under way: each ends by its deadline and says why; after
    that, and on the same handles, all is well again."""
    cluster = land.cluster
    job, actor = actor_on(cluster, "one")
    said: list[str] = []
    deadline = 3.0
    waits = threads.spawn(
        lambda _stop: said.append(
            timed(lambda: job.wait(timeout=deadline), deadline + 2.5, WaitTimeout, ControllerUnreachable)
        ),
        "waits",
    )
    calls = threads.spawn(
        lambda _stop: said.append(timed(lambda: actor.bump(20.0), 6.0, Lost, DeadlineExceeded)), "calls"
    )
    time.sleep(0.5)
    for host in land.hosts.values():
        host.drop_to(land.here)
        host.drop_from(land.here)
    waits.join(LIMIT)
    calls.join(LIMIT)
    assert len(said) == 2, said
    timed(lambda: actor.bump(0.0), 6.0, TransportError)
    land.heal()
    answer = wait_for_condition(lambda: try_call(actor), LIMIT, message="the actor to answer")
    assert answer is not None
    uid, _, count = answer
    assert uid == cluster.attempts(job)[0].uid
    assert count >= 2
    cluster.folder.end.touch()
    assert job.wait(timeout=LIMIT).state is JobState.SUCCEEDED
    assert len(cluster.attempts(job)) == 1
    cluster.end()


def try_call(actor: ActorClient) -> tuple[str, int, int] | None:
    try:
        found: tuple[str, int, int] = actor.bump(0.0)
    except IrisError:
        return None
    return found


@pytest.mark.chaos
def test_actors_call_across_hosts(patient_land: Land) -> None:
    """A task on one host calls an actor on the other, and so does this process; and neither needs the
    controller for that, once it knows where the actor is."""
    land, cluster = patient_land, patient_land.cluster
    server, actor = actor_on(cluster, "one")
    prefix = f"/{server.job_id}/counter"
    ready, go = cluster.folder.path / "ready", cluster.folder.path / "go"
    entry = Entrypoint.from_callable(tasks.calls, str(cluster.folder.ran), prefix, str(ready), str(go))
    caller = cluster.client.submit(
        name="caller", entrypoint=entry, constraints=[Constraint("slice", "EQ", "two")]
    )
    wait_for_condition(ready.exists, LIMIT, message="the task's first call")
    for name in ("one", "two"):
        cut(land, name)
    go.touch()
    wait_for_condition((cluster.folder.path / "ready.again").exists, LIMIT, message="its second call")
    assert actor.bump(0.0)[2] == 4
    land.heal()
    caller.wait(timeout=LIMIT)
    cluster.folder.end.touch()
    server.wait(timeout=LIMIT)
    assert [len(cluster.attempts(job)) for job in (server, caller)] == [1, 1]
    cluster.end()


@pytest.mark.chaos
@pytest.mark.parametrize("delay", [0.05])
def test_a_long_way(tmp_path: Path, threads: ThreadContainer, delay: float) -> None:
    """Workers for which every answer takes 100 ms longer: nothing but that is seen."""
    with trio(tmp_path, workers=()) as cluster:
        site = cluster.site
        with relay_to("127.0.0.1", site.port, threads) as relay:
            relay.delay = delay
            worker = site.program("far", env={"IRIS_TOKEN_FILE": str(site.state / "token")})
            site.start_worker(worker, "far", relay.address)
            site.wait_for_workers("far")
            job = cluster.counting()
            for number in range(5):
                relay.reset_all()
                entry = cluster.folder.script(f"echo {number}")
                cluster.client.submit(name=f"more-{number}", entrypoint=entry).wait(timeout=LIMIT)
            cluster.finish(job)
            assert len(cluster.attempts(job)) == 1
            worker.stop()
        cluster.end()
