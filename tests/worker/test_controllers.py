"""A worker and the controllers that it meets at one address, all real."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from iris_api.context import Context
from iris_api.credentials import Token
from iris_api.errors import PlatformError
from iris_api.rpc import cluster_pb2 as pb
from iris_api.testing import wait_for_condition
from iris_backends.process import ProcessConfig, ProcessPlatform
from iris_worker import Worker, WorkerConfig
from tests.backends.support import is_alive
from tests.controller.client import TOKEN, Client
from tests.worker.conftest import Serve


@pytest.fixture
def worker(port: int, tmp_path: Path, thread_registry: object) -> Iterator[Worker]:
    """Its attempts are processes."""
    platform = ProcessPlatform(ProcessConfig(), Context(directory=tmp_path / "sandboxes"))
    config = WorkerConfig(
        worker_id="w-1",
        controller_address=f"http://127.0.0.1:{port}",
        token=Token(TOKEN),
        directory=tmp_path / "worker",
        attributes={"pool": "default"},
    )
    worker = Worker(config, platform.runtime)
    yield worker
    worker.stop()
    platform.close()


def submit(client: Client, told: Path) -> tuple[str, int]:
    """A job that tells its process id and stays; both, once it runs."""
    script = f"echo $$ > {told}.new; mv {told}.new {told}; exec sleep 300"
    entry = pb.Entry(command=pb.Command(argv=["sh", "-c", script]))
    job_id = client.submit(spec={"entry": entry})
    wait_for_condition(told.exists, timeout=20)
    return job_id, int(told.read_text())


def test_another_clusters_controller_at_the_address_is_not_obeyed(
    serve: Serve, worker: Worker, tmp_path: Path
) -> None:
    """It neither knows the worker nor has it end what runs; when the own one is back, all goes on."""
    own = serve("one", tmp_path / "state")
    worker.start()
    job_id, pid = submit(own, tmp_path / "pid")
    other = serve("two")
    wait_for_condition(
        lambda: any("controller of cluster 'two', and not of 'one'" in text for text in worker.trouble()),
        timeout=20,
        message="the worker's trouble",
    )
    assert not other.call("Controller/ListWorkers", pb.ListWorkersRequest()).workers
    assert is_alive(pid)
    own = serve("one", tmp_path / "state")
    wait_for_condition(lambda: not worker.trouble(), timeout=20)
    (attempt,) = own.job(job_id).tasks[0].attempts
    assert (attempt.state, is_alive(pid)) == ("RUNNING", True)


def test_a_controller_that_stays_away_ends_what_runs(serve: Serve, worker: Worker, tmp_path: Path) -> None:
    """After the time that it has told; when it is back it hears why."""
    own = serve("one", tmp_path / "state", absence=1.0)
    worker.start()
    job_id, pid = submit(own, tmp_path / "pid")
    own.stop()
    wait_for_condition(lambda: not is_alive(pid), timeout=20)
    own = serve("one", tmp_path / "state")
    wait_for_condition(lambda: own.job(job_id).finished, timeout=20)
    (attempt,) = own.job(job_id).tasks[0].attempts
    assert attempt.cause.kind == "worker_lost"
    assert "worker w-1 had no word from its controller for" in attempt.cause.message
    assert attempt.cause.signal == 15


def test_two_processes_cannot_be_one_worker(worker: Worker, tmp_path: Path) -> None:
    """They would adopt and end one another's attempts. The second may start once the first is gone."""
    script = (
        "import sys; from pathlib import Path; from iris_worker.claim import Claim;"
        "Claim(Path(sys.argv[1])); print('held', flush=True); input()"
    )
    argv = [sys.executable, "-c", script, str(worker.config.directory)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(PlatformError, match=f"runs already, as process {other.pid}"):
            worker.start()
        other.kill()
    worker.start()
