"""Jobs below jobs: ids, what ends with what, and what a child inherits."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from iris.client import IrisClient, iris_ctx
from iris.cluster.types import CauseKind, Entrypoint, EnvironmentSpec, JobState, TaskState
from iris_api.testing import wait_for_condition
from tests.cluster.kit import LIMIT, all_gone, heard, is_alive, park, tell


def family(told: str, generations: int) -> None:
    """A job that tells who it is and parks, with as many generations below it."""
    ctx = iris_ctx()
    who = [ctx.job_id, ctx.namespace, ctx.parent_job_id, os.getpid()]
    tell(Path(told) / f"generation-{generations}", who)
    if generations:
        below = Entrypoint.from_callable(family, told, generations - 1)
        ctx.client.submit(name=f"below-{generations}", entrypoint=below)
    park()


def generations_of(told: Path) -> list[list[object]]:
    return [heard(told / f"generation-{left}") for left in (2, 1, 0)]


def test_the_controller_makes_root_ids(client: IrisClient) -> None:
    """One name twice gives two ids, none of which is a path."""
    jobs = []
    for _ in range(2):
        job = client.submit(name="twin", entrypoint=Entrypoint.from_command("true"))
        job.wait(timeout=LIMIT)
        jobs.append(job)
    first, second = (job.job_id for job in jobs)
    assert first != second
    assert first.parent is None
    assert second.parent is None
    assert {status.name for status in client.list_jobs()} == {"twin"}


def test_ids_lead_from_the_root_to_the_grandchild(client: IrisClient, tmp_path: Path) -> None:
    """A child is parent/name, at every depth, in the namespace of its root."""
    root = client.submit(name="root", entrypoint=Entrypoint.from_callable(family, str(tmp_path), 2))
    told = [who[:3] for who in generations_of(tmp_path)]
    assert told == [
        [root.job_id, root.job_id, None],
        [f"{root.job_id}/below-2", root.job_id, root.job_id],
        [f"{root.job_id}/below-2/below-1", root.job_id, f"{root.job_id}/below-2"],
    ]


def test_terminating_a_root_ends_all_below_it(client: IrisClient, runtime: str, tmp_path: Path) -> None:
    """Within 5 s, with no process left, each with its own cause; another root goes on."""
    other = client.submit(name="other", entrypoint=Entrypoint.from_command("sleep", "60"))
    root = client.submit(name="root", entrypoint=Entrypoint.from_callable(family, str(tmp_path), 2))
    told = generations_of(tmp_path)
    began = time.monotonic()
    root.terminate()
    ended = [client.job(str(who[0])).wait(timeout=5, raise_on_failure=False) for who in told]
    assert time.monotonic() - began < 5
    assert [status.state for status in ended] == [JobState.KILLED] * 3
    assert [status.cause and status.cause.kind for status in ended] == [
        CauseKind.CANCELLED,
        CauseKind.PARENT_ENDED,
        CauseKind.PARENT_ENDED,
    ]
    if runtime == "process":
        pids = [int(str(who[3])) for who in told]
        assert len(set(pids)) == 3
        assert all_gone(pids)
    wait_for_condition(lambda: other.state is JobState.RUNNING)


@pytest.mark.parametrize("fails", [False, True])
def test_a_parent_that_ends_ends_its_children(client: IrisClient, tmp_path: Path, fails: bool) -> None:
    """Whether it succeeds or fails, what it leaves running is ended and says why."""

    def parent() -> None:
        child = Entrypoint.from_callable(family, str(tmp_path), 0)
        iris_ctx().client.submit(name="child", entrypoint=child)
        heard(tmp_path / "generation-0")
        if fails:
            raise ValueError("over")

    root = client.submit(name="root", entrypoint=Entrypoint.from_callable(parent))
    state = root.wait(timeout=LIMIT, raise_on_failure=False).state
    assert state is (JobState.FAILED if fails else JobState.SUCCEEDED)
    child = client.job(f"{root.job_id}/child").wait(timeout=5, raise_on_failure=False)
    assert child.state is JobState.KILLED
    assert child.cause is not None
    assert child.cause.kind is CauseKind.PARENT_ENDED
    assert root.job_id in child.cause.message


def test_a_child_that_fails_is_its_parents_affair(client: IrisClient) -> None:
    """A parent that goes on succeeds."""

    def parent() -> None:
        child = iris_ctx().client.submit(name="child", entrypoint=Entrypoint.from_command("false"))
        assert child.wait(timeout=LIMIT, raise_on_failure=False).state is JobState.FAILED

    root = client.submit(name="root", entrypoint=Entrypoint.from_callable(parent))
    root.wait(timeout=LIMIT)
    assert client.status(f"{root.job_id}/child").state is JobState.FAILED


def test_children_of_a_retried_parent_are_new(client: IrisClient, tmp_path: Path) -> None:
    """The second attempt submits the same child again, and finds no trace of the first's."""

    def parent() -> None:
        child = Entrypoint.from_callable(family, str(tmp_path), 0)
        iris_ctx().client.submit(name="child", entrypoint=child)
        first = heard(tmp_path / "generation-0")
        marker = tmp_path / "retried"
        if not marker.exists():
            (tmp_path / "generation-0").rename(marker)
            raise ValueError("once more")
        assert first[0] == f"{iris_ctx().job_id}/child"

    root = client.submit(name="root", entrypoint=Entrypoint.from_callable(parent), max_retries_failure=1)
    root.wait(timeout=LIMIT)
    assert [attempt.state for attempt in root.status().tasks[0].attempts] == [
        TaskState.FAILED,
        TaskState.SUCCEEDED,
    ]


def test_explicit_variables_go_before_the_parents_and_those_before_the_platforms(
    client: IrisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LANG is the platform's here; a root sets it, a child inherits it, and another sets its own."""
    monkeypatch.setenv("LANG", "platform")
    show = Entrypoint.from_command("sh", "-c", "echo $LANG $OWN")

    def parent() -> None:
        submit = iris_ctx().client.submit
        inherits = submit(name="inherits", entrypoint=show)
        replaces = submit(
            name="replaces", entrypoint=show, environment=EnvironmentSpec(env_vars={"LANG": "child"})
        )
        inherits.wait(timeout=LIMIT)
        replaces.wait(timeout=LIMIT)

    plain = client.submit(name="plain", entrypoint=show)
    plain.wait(timeout=LIMIT)
    root = client.submit(
        name="root",
        entrypoint=Entrypoint.from_callable(parent),
        environment=EnvironmentSpec(env_vars={"LANG": "parent", "OWN": "own"}),
    )
    root.wait(timeout=LIMIT)
    jobs = [plain.job_id, f"{root.job_id}/inherits", f"{root.job_id}/replaces"]
    said = [[entry.data for entry in client.job(job).tasks()[0].logs()] for job in jobs]
    assert said == [["platform"], ["parent own"], ["child own"]]


def test_a_grandchild_inherits_what_its_parent_inherited(client: IrisClient, tmp_path: Path) -> None:
    """The variables are the job's in a thread too, where no environment holds them."""

    def grandchild() -> None:
        tell(tmp_path / "seen", iris_ctx().info.env["MODE"])

    def child() -> None:
        iris_ctx().client.submit(name="c", entrypoint=Entrypoint.from_callable(grandchild)).wait(LIMIT)

    def root() -> None:
        iris_ctx().client.submit(name="b", entrypoint=Entrypoint.from_callable(child)).wait(LIMIT)

    client.submit(
        name="a",
        entrypoint=Entrypoint.from_callable(root),
        environment=EnvironmentSpec(env_vars={"MODE": "inherited"}),
    ).wait(timeout=LIMIT)
    assert heard(tmp_path / "seen") == "inherited"


STUBBORN = "trap '' TERM; echo $$ > {told}.new; mv {told}.new {told}; while :; do sleep 0.1; done"


def parent_of_a_stubborn_child(told: str) -> None:
    """A job whose child does not listen to SIGTERM."""
    command = Entrypoint.from_command("sh", "-c", STUBBORN.format(told=told))
    iris_ctx().client.submit(name="stubborn", entrypoint=command)
    park()


def test_a_child_that_will_not_listen_is_gone_within_5_s(processes: IrisClient, tmp_path: Path) -> None:
    told = tmp_path / "told"
    root = processes.submit(
        name="root", entrypoint=Entrypoint.from_callable(parent_of_a_stubborn_child, str(told))
    )
    pid = heard(told)
    began = time.monotonic()
    root.terminate()
    child = processes.job(f"{root.job_id}/stubborn").wait(timeout=5, raise_on_failure=False)
    assert not is_alive(pid)
    assert time.monotonic() - began < 5
    assert child.cause is not None
    assert child.cause.kind is CauseKind.PARENT_ENDED
