"""A name that is taken: error, keep, recreate, for roots and for children."""

from __future__ import annotations

from pathlib import Path

import pytest

from iris.client import IrisClient, JobExists, iris_ctx
from iris.client.job import Job
from iris.cluster.types import CauseKind, Entrypoint, JobState
from iris_api.errors import InvalidSpec
from tests.cluster.kit import LIMIT, heard, park, tell

PARK = Entrypoint.from_callable(park)


@pytest.fixture
def taken(client: IrisClient) -> Job:
    return client.submit(name="name", entrypoint=PARK)


def test_a_root_whose_name_is_taken_is_an_error(client: IrisClient, taken: Job) -> None:
    """The default; the message names the job that has it, and what else could be asked."""
    with pytest.raises(JobExists, match=f"{taken.job_id} exists.*keep.*recreate"):
        client.submit(name="name", entrypoint=PARK)


def test_keep_returns_the_root_that_runs(client: IrisClient, taken: Job) -> None:
    """Nothing new is made."""
    assert client.submit(name="name", entrypoint=PARK, existing="keep").job_id == taken.job_id
    assert len(client.list_jobs()) == 1


def test_recreate_ends_the_root_that_runs(client: IrisClient, taken: Job) -> None:
    """The new one comes when the old one is gone, which says why."""
    new = client.submit(name="name", entrypoint=PARK, existing="recreate")
    assert new.job_id != taken.job_id
    old = taken.status()
    assert old.state is JobState.KILLED
    assert old.cause is not None
    assert old.cause.kind is CauseKind.CANCELLED
    assert "new submit of its name" in old.cause.by


def test_the_three_for_a_child(client: IrisClient, tmp_path: Path) -> None:
    """A child's id is its name, so the replacement has the id of what it replaces."""

    def child() -> None:
        tell(tmp_path / iris_ctx().attempt_uid, iris_ctx().job_id)
        park()

    def parent() -> None:
        submit, entry = iris_ctx().client.submit, Entrypoint.from_callable(child)
        first = submit(name="child", entrypoint=entry)
        before = first.status().tasks[0]
        refusal = ""
        try:
            submit(name="child", entrypoint=entry)
        except JobExists as error:
            refusal = str(error)
        kept = submit(name="child", entrypoint=entry, existing="keep")
        same = kept.status().submitted == first.status().submitted
        new = submit(name="child", entrypoint=entry, existing="recreate")
        tell(tmp_path / "told", [refusal, same, before.task_id, new.job_id, new.status().state])

    root = client.submit(name="root", entrypoint=Entrypoint.from_callable(parent))
    root.wait(timeout=LIMIT)
    refusal, same, task_id, new_id, state = heard(tmp_path / "told")
    assert f"{root.job_id}/child exists" in refusal
    assert same
    assert task_id == f"{new_id}:0" == f"{root.job_id}/child:0"
    assert state in (JobState.PENDING, JobState.RUNNING)


def test_another_policy_is_refused(client: IrisClient) -> None:
    """Before anything is sent, saying what is allowed."""
    with pytest.raises(InvalidSpec, match="error, keep, recreate"):
        client.submit(name="name", entrypoint=PARK, existing="replace")
    assert client.list_jobs() == []
