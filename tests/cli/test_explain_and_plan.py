"""``iris explain`` and ``iris plan`` against a cluster that ``iris up`` runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from iris.client import IrisClient
from iris.cluster.types import Constraint, CoschedulingConfig, Entrypoint, JobState, ResourceSpec, TaskState
from iris_api.testing import wait_for_condition
from tests.cli.conftest import Iris

WAITS = "touch {here}; until [ -e {go} ]; do sleep 0.05; done"


@pytest.fixture
def client(address: str) -> IrisClient:
    return IrisClient.remote(address)


def cpus(client: IrisClient) -> float:
    wait_for_condition(lambda: bool(client.list_workers()), timeout=20)
    return client.list_workers()[0].total.cpu


def fill(client: IrisClient, tmp_path: Path, name: str = "fills", **given: object) -> str:
    """A job that holds the whole worker until ``go`` is there."""
    here, go = tmp_path / f"{name}-here", tmp_path / "go"
    entry = Entrypoint.from_command("sh", "-c", WAITS.format(here=here, go=go))
    job = client.submit(name=name, entrypoint=entry, resources=ResourceSpec(cpus(client)), **given)  # type: ignore[arg-type]
    wait_for_condition(here.exists, timeout=20)
    return job.job_id


def test_a_waiting_job_is_explained(iris: Iris, address: str, client: IrisClient, tmp_path: Path) -> None:
    at = ("--controller", address)
    busy = fill(client, tmp_path, priority=60)
    waits = iris("run", *at, "--detach", "--replicas", "3", "--", "true").stdout.strip()
    said = iris("explain", *at, waits)
    assert said.returncode == 0
    assert "0-2" in said.stdout
    assert "no worker of pool default has 1 cpu free now" in said.stdout
    assert f"with a priority above 60 it would have {busy}:0 ended" in said.stdout
    assert "WITH ROOM NOW" in said.stdout
    running = iris("explain", *at, busy).stdout
    assert "RUNNING" in running
    assert "default-" in running  # the worker
    (tmp_path / "go").touch()
    assert client.job(waits).wait(timeout=30).state is JobState.SUCCEEDED


def test_a_plan_says_what_a_submit_would_do_and_does_nothing(
    iris: Iris, address: str, client: IrisClient, tmp_path: Path
) -> None:
    at = ("--controller", address)
    free = iris("plan", *at, "--replicas", "2", "--", "true")
    assert free.returncode == 0
    assert "would be placed there at once" in free.stdout
    busy = fill(client, tmp_path)
    full = iris("plan", *at, "--", "true")
    assert full.returncode == 1
    assert "no worker of pool default has 1 cpu free now" in full.stdout
    preempting = iris("plan", *at, "--priority", "90", "--", "true")
    assert preempting.returncode == 1
    assert f"for it would end: {busy}:0" in preempting.stdout
    never = iris("plan", *at, "--cpu", "100000", "--", "true")
    assert "no pool can ever hold 100000 cpu" in never.stdout
    apart = iris("plan", *at, "--constraint", "zone EQ a", "--", "true")
    assert "zone EQ a" in apart.stdout
    assert [job.name for job in client.list_jobs()] == ["fills"]
    (tmp_path / "go").touch()


def test_higher_priority_takes_the_place_and_gives_it_back(client: IrisClient, tmp_path: Path) -> None:
    """Preemption through the real stack."""
    low = fill(client, tmp_path, name="low", priority=10)
    high = client.submit(
        name="high",
        entrypoint=Entrypoint.from_command("true"),
        resources=ResourceSpec(cpus(client)),
        priority=90,
    )
    assert high.wait(timeout=30).state is JobState.SUCCEEDED
    (tmp_path / "go").touch()
    status = client.job(low).wait(timeout=30)
    assert status.state is JobState.SUCCEEDED
    (task,) = client.job(low).status().tasks
    assert [attempt.state for attempt in task.attempts] == [TaskState.PREEMPTED, TaskState.SUCCEEDED]
    cause = task.attempts[0].cause
    assert cause is not None
    assert cause.by == high.job_id


def test_a_gang_runs_and_its_pending_reason_is_told(client: IrisClient) -> None:
    together = CoschedulingConfig(group_by="pool")
    job = client.submit(
        name="gang", entrypoint=Entrypoint.from_command("true"), replicas=2, coscheduling=together
    )
    assert job.wait(timeout=30).state is JobState.SUCCEEDED
    apart = client.submit(
        name="apart",
        entrypoint=Entrypoint.from_command("true"),
        replicas=2,
        coscheduling=CoschedulingConfig(group_by="rack"),
    )
    (prospect,) = client.explain(apart.job_id)
    assert prospect.reason == "no worker that is here has the attribute rack"
    apart.terminate()


def test_the_client_plans_what_it_would_submit(client: IrisClient) -> None:
    cpus(client)
    entry = Entrypoint.from_command("true")
    (free,) = client.plan(name="a", entrypoint=entry)
    assert free.worker_id
    (waits,) = client.plan(name="a", entrypoint=entry, constraints=[Constraint("zone", "EQ", "b")])
    assert waits.reason


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--priority", "0"), "priority 0 is not allowed"),
        (("--constraint", "zone"), "give 'KEY OP VALUE'"),
        (("--constraint", "zone = a"), "give 'KEY OP VALUE'"),
        (("--constraint", "zone GT many"), "GT takes a number"),
        (("--refill-after", "-1"), "refill_after -1.0 is not allowed"),
    ],
)
def test_bad_options_are_told(iris: Iris, options: tuple[str, ...], said: str) -> None:
    refused = iris("plan", "--controller", "http://127.0.0.1:1", *options, "--", "true")
    assert refused.returncode == 2
    assert said in refused.stderr


def test_an_unknown_job_is_told(iris: Iris, address: str) -> None:
    refused = iris("explain", "--controller", address, "nobody")
    assert refused.returncode == 2
    assert "there is no job 'nobody'" in refused.stderr
