"""A cluster that is killed and started again on its state, and workers that come and go."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from iris.actor import ActorClient
from iris.client import ControllerUnreachable, IrisClient, iris_ctx
from iris.cluster.types import CauseKind, Entrypoint, JobState, TaskState
from iris_api.testing import wait_for_condition
from tests.cluster.conftest import Extra, Up
from tests.cluster.kit import (
    LIMIT,
    ON_EXTRA,
    Witness,
    heard,
    host,
    is_alive,
    park,
    report_and_park_on_extra,
    waits_for,
)


def test_a_job_that_ran_is_adopted(up: Up, tmp_path: Path) -> None:
    """The client waits through it, the task notices nothing, and no line is lost or doubled."""
    client = IrisClient.remote(up.address)
    job = client.submit(name="outlives", entrypoint=waits_for(tmp_path / "go"))
    assert next(job.tasks()[0].logs(follow=True)).data == "before"
    up.kill()
    up.start()
    (tmp_path / "go").touch()
    job.wait(timeout=LIMIT)
    assert len(job.status().tasks[0].attempts) == 1
    assert [entry.data for entry in job.tasks()[0].logs()] == ["before", "after"]


def test_a_job_that_ended_while_nobody_was_there(up: Up, tmp_path: Path) -> None:
    """Its end and its output are known to the next."""
    job = IrisClient.remote(up.address).submit(name="ends", entrypoint=waits_for(tmp_path / "go"))
    assert next(job.tasks()[0].logs(follow=True)).data == "before"
    up.kill()
    (tmp_path / "go").touch()
    up.start()
    job.wait(timeout=LIMIT)
    assert [entry.data for entry in job.tasks()[0].logs()] == ["before", "after"]


def test_what_was_submitted_is_kept(up: Up) -> None:
    """Acknowledged is durable: ended jobs, their causes and logs, and what waited, which then runs."""
    client = IrisClient.remote(up.address)
    ended = client.submit(name="ended", entrypoint=Entrypoint.from_command("sh", "-c", "echo why; exit 4"))
    before = ended.wait(timeout=LIMIT, raise_on_failure=False)
    waiting = client.submit(name="waiting", entrypoint=Entrypoint.from_command("true"))
    up.kill()
    up.start()
    assert ended.wait(raise_on_failure=False).cause == before.cause
    assert [entry.data for entry in ended.tasks()[0].logs()] == ["why"]
    waiting.wait(timeout=LIMIT)
    assert (up.state / "iris.sqlite").read_bytes().startswith(b"SQLite format 3")


def test_an_adopted_family_stays_one(up: Up, tmp_path: Path) -> None:
    """Names go on meaning the same actors, and terminating the root ends what lives below it."""

    def parent() -> None:
        ctx = iris_ctx()
        child = Entrypoint.from_callable(host, "witness", Witness, tmp_path / "ready")
        ctx.client.submit(name="child", entrypoint=child)
        park()

    client = IrisClient.remote(up.address)
    root = client.submit(name="root", entrypoint=Entrypoint.from_callable(parent))
    heard(tmp_path / "ready")
    up.kill()
    up.start()
    assert ActorClient(client.resolver(root), "witness").see("managed")[0] == f"{root.job_id}/child"
    root.terminate()
    child = client.job(f"{root.job_id}/child").wait(timeout=LIMIT, raise_on_failure=False)
    assert child.cause is not None
    assert child.cause.kind is CauseKind.PARENT_ENDED
    assert root.wait(timeout=LIMIT, raise_on_failure=False).state is JobState.KILLED


def test_an_orderly_end_ends_the_tasks(up: Up, tmp_path: Path) -> None:
    """And the next start tries them again, at the platform's cost."""
    script = (
        f"echo $$ > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; [ -e {tmp_path}/again ] || sleep 60"
    )
    client = IrisClient.remote(up.address)
    job = client.submit(name="again", entrypoint=Entrypoint.from_command("sh", "-c", script))
    pid = heard(tmp_path / "pid")
    up.stop()
    assert not Path(f"/proc/{pid}").exists()
    (tmp_path / "again").touch()
    up.start()
    job.wait(timeout=LIMIT)
    first, second = job.status().tasks[0].attempts
    assert (first.state, second.state) == (TaskState.WORKER_FAILED, TaskState.SUCCEEDED)


def test_health_and_services_are_one_port(up: Up) -> None:
    """Health needs no token and says ok; JSON by any client needs the token and is understood."""
    with urllib.request.urlopen(f"{up.address}/health", timeout=LIMIT) as answer:
        assert answer.status == 200
    token = (up.state / "token").read_text().strip()
    request = urllib.request.Request(
        f"{up.address}/iris.cluster.v1.Controller/ListWorkers",
        data=b"{}",
        headers={"content-type": "application/json", "authorization": f"Bearer {token}"},
    )
    wait_for_condition(lambda: json.load(urllib.request.urlopen(request, timeout=LIMIT)).get("workers"))


def test_a_worker_that_was_killed_adopts_what_it_ran(
    processes: IrisClient, extra: Extra, tmp_path: Path
) -> None:
    """Started again with its id and directory; the task notices nothing."""
    job = processes.submit(name="outlives", entrypoint=waits_for(tmp_path / "go"), constraints=ON_EXTRA)
    assert next(job.tasks()[0].logs(follow=True)).data == "before"
    extra.end(kill=True)
    extra.start()
    (tmp_path / "go").touch()
    job.wait(timeout=LIMIT)
    (attempt,) = job.status().tasks[0].attempts
    assert attempt.worker_id == "extra"
    assert [entry.data for entry in job.tasks()[0].logs()] == ["before", "after"]


def test_a_worker_that_leaves_takes_its_tasks_along(
    processes: IrisClient, extra: Extra, tmp_path: Path
) -> None:
    """They are lost at once and not after a silence; without a budget that is the end."""
    job = processes.submit(
        name="lost",
        entrypoint=Entrypoint.from_callable(report_and_park_on_extra, str(tmp_path)),
        constraints=ON_EXTRA,
        max_retries_preemption=0,
    )
    heard(tmp_path / "extra")
    extra.end(kill=False)
    status = job.wait(timeout=10, raise_on_failure=False)
    assert status.state is JobState.WORKER_FAILED
    assert status.cause is not None
    assert status.cause.kind is CauseKind.WORKER_LOST


def test_what_a_leaving_worker_ran_goes_on_elsewhere(
    processes: IrisClient, extra: Extra, tmp_path: Path
) -> None:
    """At the platform's cost."""
    entry = Entrypoint.from_callable(report_and_park_on_extra, str(tmp_path))
    job = processes.submit(name="moves", entrypoint=entry, replicas=2)  # one for each worker
    heard(tmp_path / "extra")
    extra.end(kill=False)
    job.wait(timeout=10)
    assert sorted(len(task.attempts) for task in job.status().tasks) == [1, 2]


@pytest.mark.parametrize(("pool", "runtime"), [("default", "local"), ("other", "process")])
def test_what_no_pool_will_look_after_is_ended(up: Up, tmp_path: Path, pool: str, runtime: str) -> None:
    """A task that was left running by a pool that is gone, or is another one now, does not live on."""
    script = f"echo $$ > {tmp_path}/pid.new; mv {tmp_path}/pid.new {tmp_path}/pid; exec sleep 300"
    IrisClient.remote(up.address).submit(name="left", entrypoint=Entrypoint.from_command("sh", "-c", script))
    pid = int(heard(tmp_path / "pid"))
    up.kill()
    up.configure(pool, runtime)
    up.start()
    wait_for_condition(lambda: not is_alive(pid), timeout=10, message="the stray task to end")


def test_a_wait_ends_by_its_deadline_though_nobody_answers(up: Up) -> None:
    """A controller that dies in the middle of a wait with a timeout is told within about that timeout."""
    job = IrisClient.remote(up.address).submit(
        name="waits", entrypoint=Entrypoint.from_command("sleep", "300")
    )
    job.status()
    up.kill()
    began = time.monotonic()
    with pytest.raises(ControllerUnreachable, match="no longer answers"):
        job.wait(timeout=1)
    assert time.monotonic() - began < 10
    up.start()
    job.terminate()
    job.wait(timeout=LIMIT, raise_on_failure=False)


def test_a_client_of_a_cluster_that_was_shut_down() -> None:
    """It says so at once."""
    with IrisClient.local("local") as client:
        pass
    with pytest.raises(ControllerUnreachable, match="was shut down"):
        client.list_jobs()


def test_shutdown_without_waiting_for_a_thread_that_will_not_stop() -> None:
    """It returns soon, whatever the tasks do."""
    client = IrisClient.local("local")
    client.submit(name="blocks", entrypoint=Entrypoint.from_callable(_block))
    wait_for_condition(lambda: client.list_jobs()[0].state is JobState.RUNNING)
    began = time.monotonic()
    client.shutdown(wait=False)
    assert time.monotonic() - began < 6
    _release.set()


_release = threading.Event()


def _block() -> None:
    while not _release.is_set():
        try:
            _release.wait(30)
        except BaseException:
            continue
