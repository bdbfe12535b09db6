"""Gangs of real processes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from iris.client import IrisClient, iris_ctx
from iris.cluster.types import CauseKind, CoschedulingConfig, Entrypoint, JobState, TaskState
from iris_api.testing import wait_for_condition
from tests.cluster.kit import LIMIT, all_gone, heard, park, tell

SIZE = 3


def member(told: str) -> None:
    """Tells where it is; only the second try goes on to its end."""
    info = iris_ctx()
    number = len(list(Path(told).glob(f"{info.task_index}-*")))
    tell(Path(told) / f"{info.task_index}-{number}", os.getpid())
    if number == 0:
        park()


def test_a_killed_member_ends_the_gang_and_all_start_again(processes: IrisClient, tmp_path: Path) -> None:
    """The others' processes are gone, and the budgets of the user are untouched."""
    job = processes.submit(
        name="gang",
        entrypoint=Entrypoint.from_callable(member, str(tmp_path)),
        replicas=SIZE,
        coscheduling=CoschedulingConfig(group_by="pool"),
    )
    pids = [heard(tmp_path / f"{index}-0") for index in range(SIZE)]
    os.kill(pids[1], signal.SIGKILL)
    wait_for_condition(lambda: all_gone(pids), timeout=5, message="the other members' end")
    assert job.wait(timeout=LIMIT).state is JobState.SUCCEEDED
    tasks = job.status().tasks
    assert [[attempt.state for attempt in task.attempts][-1] for task in tasks] == [
        TaskState.SUCCEEDED
    ] * SIZE
    causes = [task.attempts[0].cause for task in tasks]
    assert [cause and cause.kind for cause in causes] == [
        CauseKind.GANG_ENDED,
        CauseKind.KILLED_OUTSIDE,
        CauseKind.GANG_ENDED,
    ]
