"""Full disks: of the controller, and of a worker."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from iris.client import IrisClient
from iris.client.job import Job
from iris.cluster.types import CauseKind, Entrypoint, EnvironmentSpec, JobState
from iris_api.errors import IrisError
from iris_api.ids import JobId
from iris_api.testing import wait_for_condition
from iris_controller.logs import LogStore
from tests.chaos.trio import LIMIT, Trio, trio
from tests.rigs.disk import SmallDisk, small_disk

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]


# 200 lines of 400 bytes, for 2 s
TALKS = f"i=0; while [ $i -lt 200 ]; do echo $i {'x' * 400}; i=$((i+1)); sleep 0.01; done"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SmallDisk]:
    """What the controller keeps its state on."""
    with small_disk(tmp_path / "site" / "state", 12) as disk:
        yield disk


@pytest.fixture
def cluster(state: SmallDisk, tmp_path: Path) -> Iterator[Trio]:
    with trio(tmp_path, workers=("one",)) as made:
        yield made


def test_a_log_on_a_full_disk(tmp_path: Path) -> None:
    """What did not find room is refused, in part or as a whole, and taken when it comes again."""
    with small_disk(tmp_path / "disk", 1) as disk:
        store = LogStore(disk.path / "logs")
        task = JobId("job").task(0)
        blocks = [
            b"".join(b"%d stdout line %d\n" % (i, i) for i in range(at, at + 1000))
            for at in range(0, 9000, 1000)
        ]
        refused = following = 0
        for number, block in enumerate(blocks):
            disk.fill(spare=5000 * number)
            while following < 1000 * (number + 1):
                try:
                    following = store.append(task, "uid", 1000 * number, 1000, block)
                except OSError:
                    refused += 1
                    disk.empty()
        assert refused > 3
        lines: list[str] = []
        offset, at_end = 0, False
        while not at_end:
            page, offset, at_end = store.read(task, "uid", offset, 10_000)
            lines += [line.data for line in page]
        assert lines == [f"line {i}" for i in range(9000)]


def submit_until_refused(client: IrisClient, entry: Entrypoint) -> tuple[list[Job], str]:
    """Jobs that were acknowledged, and why the next one was not."""
    acknowledged: list[Job] = []
    padding = {"PADDING": "x" * 20_000}
    try:
        for number in range(1000):
            environment = EnvironmentSpec(env_vars=padding)
            acknowledged.append(
                client.submit(name=f"job-{number}", entrypoint=entry, environment=environment)
            )
    except IrisError as error:
        return acknowledged, str(error)
    raise AssertionError("a full disk took a thousand jobs")


def test_the_controllers_disk_is_full(
    cluster: Trio, state: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was acknowledged is there and stays there, what is refused is told why, /health says so, and all
    goes on when there is room: also the output that came meanwhile is kept."""
    monkeypatch.setattr("iris.client.connection.GAP", 3.0)
    counting = cluster.counting()
    talks = cluster.client.submit(name="talks", entrypoint=cluster.folder.script(TALKS))
    wait_for_condition(lambda: talks.state is JobState.RUNNING, LIMIT)
    state.fill()
    acknowledged, reason = submit_until_refused(cluster.client, cluster.folder.script("true"))
    assert "full" in reason, reason
    wait_for_condition(lambda: cluster.site.health()[0] == 503, LIMIT, message="health to be bad")
    health = json.loads(cluster.site.health()[1])
    assert "full" in health["reason"], health
    time.sleep(1.0)  # of output that nobody can keep
    state.empty()
    wait_for_condition(lambda: cluster.site.health()[0] == 200, LIMIT, message="health")
    later = cluster.client.submit(name="later", entrypoint=cluster.folder.script("echo here"))
    for job in [*acknowledged, later]:
        assert job.wait(timeout=LIMIT).state is JobState.SUCCEEDED
    talks.wait(timeout=LIMIT)
    assert cluster.lines(talks) == [f"{number} {'x' * 400}" for number in range(200)]
    assert len(cluster.attempts(counting)) == 1
    cluster.finish(counting)
    cluster.end()


@pytest.mark.chaos
def test_the_controller_dies_with_a_full_disk(
    cluster: Trio, state: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it acknowledged before is there after the next start."""
    monkeypatch.setattr("iris.client.connection.GAP", 3.0)
    counting = cluster.counting()
    state.fill()
    acknowledged, _ = submit_until_refused(cluster.client, cluster.folder.script("true"))
    cluster.controller.kill()
    state.empty()
    cluster.site.start_up(cluster.controller)
    for job in acknowledged:
        assert job.wait(timeout=LIMIT).state is JobState.SUCCEEDED
    assert len(cluster.attempts(counting)) == 1
    cluster.finish(counting)
    cluster.end()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """What workers keep their attempts on."""
    with small_disk(tmp_path / "site" / "workers", 8) as disk:
        yield disk


@pytest.fixture
def full_workers(disk: SmallDisk, tmp_path: Path) -> Iterator[Trio]:
    with trio(tmp_path, workers=("one",)) as made:
        yield made


@pytest.mark.parametrize("workspace", [False, pytest.param(True, marks=pytest.mark.chaos)])
def test_a_workers_disk_is_full(full_workers: Trio, disk: SmallDisk, workspace: bool) -> None:
    """An attempt that cannot be made there says so, whatever there is still room for, and costs the
    platform; the worker goes on each time."""
    trio = full_workers
    client = trio.site.client(_workspace(trio.folder.path) if workspace else None)
    entry = trio.folder.script("cat data" if workspace else "echo here")
    for pages in (0, 1, 2, 3, 4, 6, 8, 12):
        disk.fill(spare=pages * 4096)
        job = client.submit(name=f"job-{pages}", entrypoint=entry, max_retries_preemption=0)
        status = job.wait(timeout=LIMIT, raise_on_failure=False)
        if status.state is not JobState.SUCCEEDED:
            assert status.cause is not None
            assert status.cause.kind is CauseKind.ENVIRONMENT, (pages, status.cause)
            assert "No space left on device" in status.cause.message, (pages, status.cause)
        assert pages > 0 or status.state is not JobState.SUCCEEDED
        disk.empty()
        again = client.submit(name=f"again-{pages}", entrypoint=entry)
        assert again.wait(timeout=LIMIT).state is JobState.SUCCEEDED
        assert trio.lines(again) == ["here"]
    assert not trio.lost()
    trio.end()


def _workspace(folder: Path) -> Path:
    workspace = folder / "workspace"
    workspace.mkdir()
    (workspace / "data").write_text("here\n")
    return workspace


@pytest.mark.chaos
def test_a_workers_disk_becomes_full_under_a_task(full_workers: Trio, disk: SmallDisk) -> None:
    """The task goes on and is told of right; its output says that some of it is missing."""
    trio = full_workers
    job = trio.counting()
    disk.fill()
    time.sleep(1.5)
    disk.empty()
    trio.folder.end.touch()
    assert job.wait(timeout=LIMIT).state is JobState.SUCCEEDED
    lines = trio.lines(job)
    assert lines[0] == "count 0"
    numbers = [int(line.split()[1]) for line in lines if line.startswith("count ")]
    complete = numbers == list(range(len(numbers)))
    assert complete or any("iris:" in line for line in lines), lines
    trio.end()


@pytest.mark.chaos
def test_output_on_a_full_disk(full_workers: Trio, disk: SmallDisk) -> None:
    """No line arrives in part or in the wrong place, and how many are missing is told."""
    trio = full_workers
    count = 20_000
    text = f"i=0; while [ $i -lt {count} ]; do echo line $i; i=$((i+1)); done; echo last; exit 3"
    for number in range(5):
        disk.fill(spare=100_000 + 1000 * number)
        job = trio.client.submit(name=f"prints-{number}", entrypoint=trio.folder.script(text))
        status = job.wait(timeout=LIMIT, raise_on_failure=False)
        assert status.cause is not None
        assert (status.cause.kind, status.cause.exit_code) == (CauseKind.EXIT, 3), status.cause
        lines = trio.lines(job)
        kept = [line for line in lines if line.startswith("line ")]
        assert kept == [f"line {i}" for i in range(len(kept))]
        assert all(line.startswith(("line ", "[iris: ", "last")) for line in lines)
        disk.empty()
    trio.end()
