"""A machine that dies with everything on it, and comes back."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from iris.client.job import Job
from iris.cluster.types import CauseKind, JobState, TaskState
from iris_api.testing import wait_for_condition
from tests.chaos.trio import LIMIT, SOON, Trio, signal_all, trio
from tests.rigs.remains import processes_of

pytestmark = [pytest.mark.slow, pytest.mark.chaos, pytest.mark.timeout(120)]


@pytest.mark.parametrize("everything", [False, True], ids=["a worker's", "the only one"])
def test_a_machine_dies(tmp_path: Path, everything: bool) -> None:
    """Worker, supervisors and tasks at once, with the controller or without: what ran there is lost and tried
    again at the platform's cost, what waited is there, and of the old tries nothing is left."""
    with trio(tmp_path) as cluster:
        site = cluster.site
        jobs = [cluster.counting(f"counts-{number}") for number in range(3)]
        before = {job.job_id: cluster.attempts(job)[0] for job in jobs}
        victims = cluster.machine_of("one")
        if everything:
            victims = [seen.pid for seen in processes_of(site.directory, site.address)]
        waiting = cluster.client.submit(name="waits", entrypoint=cluster.folder.script("echo here"))
        signal_all(victims, signal.SIGKILL)
        if everything:
            cluster.controller.kill()
            site.start_up(cluster.controller)
        for name, program in cluster.workers.items():
            if everything or name == "one":
                program.kill()
                site.start_worker(program, name)
        wait_for_condition(lambda: all(job.state is JobState.RUNNING for job in jobs), LIMIT)
        for job in jobs:
            first = before[job.job_id]
            lost = everything or first.worker_id == "one"
            wait_for_condition(lambda: _goes_on(cluster, job, 1 + lost), LIMIT)  # noqa: B023
            old, *others, new = cluster.attempts(job) if lost else (first, *cluster.attempts(job))
            assert old.uid == first.uid
            assert not any(one.started for one in others)
            if lost:
                assert old.state is TaskState.WORKER_FAILED
                assert old.cause is not None
                assert old.cause.kind in (CauseKind.WORKER_LOST, CauseKind.KILLED_OUTSIDE)
            else:
                assert new.uid == first.uid
        waiting.wait(timeout=LIMIT)
        assert cluster.lines(waiting) == ["here"]
        live = {cluster.attempts(job)[-1].uid for job in jobs}
        wait_for_condition(
            lambda: site.attempt_folders().keys() <= live, SOON, message=f"{live} {site.attempt_folders()}"
        )
        cluster.finish(*jobs)
        cluster.end()


def _goes_on(cluster: Trio, job: Job, tries: int) -> bool:
    attempts = cluster.attempts(job)
    return len(attempts) >= tries and attempts[-1].state is TaskState.RUNNING
