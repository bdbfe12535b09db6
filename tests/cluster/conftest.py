"""Whole clusters: in this process, and as ``iris up`` of its own that can be killed and started again."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from iris.client import IrisClient
from iris_api.testing import wait_for_condition
from tests.cluster.kit import LIMIT


@pytest.fixture(params=["process", "local"])
def runtime(request: pytest.FixtureRequest) -> str:
    """How tasks are sandboxed."""
    return str(request.param)


@pytest.fixture
def client(runtime: str) -> Iterator[IrisClient]:
    """A cluster on either runtime."""
    with IrisClient.local(runtime) as client:
        yield client


@pytest.fixture
def processes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[IrisClient]:
    """A cluster whose tasks are processes; silence is noticed after as many seconds as the test says."""
    grace = getattr(request, "param", 30.0)
    config = tmp_path / "cluster.toml"
    config.write_text(f"[controller]\nworker_grace = {grace}\n")
    with IrisClient.local("process", config=config) as client:
        yield client


@pytest.fixture
def threads() -> Iterator[IrisClient]:
    """A cluster whose tasks are threads."""
    with IrisClient.local("local") as client:
        yield client


class Up:
    """``iris up`` on one port and one state directory, as often as it is started."""

    def __init__(self, directory: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        self.state = directory / "state"
        self._port = port
        self._config = directory / "iris.toml"
        self.configure("default", "process")
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        assert self._process is not None
        return self._process.pid

    def configure(self, pool: str, runtime: str, *, controller: str = "", options: str = "") -> None:
        """The pool that the next start has, and more of the controller's and of the pool's options."""
        self._config.write_text(
            f'[controller]\nlisten = "127.0.0.1:{self._port}"\nstate = "{self.state}"\n{controller}\n'
            f'[pools.{pool}]\nplatform = "local"\nruntime = "{runtime}"\n{options}\n'
        )

    def start(self) -> None:
        """Returns when it serves."""
        command = [sys.executable, "-u", "-m", "iris", "up", "--config", str(self._config)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        assert re.search(r"http://[\d.:]+", said), f"iris up said: {said}"

    def kill(self) -> None:
        """As a crash does."""
        assert self._process is not None
        self._process.kill()
        self._process.communicate(timeout=LIMIT)
        self._process = None

    def stop(self) -> None:
        """As Ctrl+C does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        said, _ = self._process.communicate(timeout=LIMIT)
        self._process = None
        assert "All gone." in said

    def clean_up(self) -> None:
        """One that was killed is started again, for what it left running ends only with it."""
        if self._process is None:
            self.start()
        self.stop()


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    """A running ``iris up`` that keeps its state."""
    cluster = Up(tmp_path)
    cluster.start()
    yield cluster
    cluster.clean_up()


class Extra:
    """``iris worker`` of one id and one directory, as often as it is started."""

    def __init__(self, client: IrisClient, directory: Path) -> None:
        self._client, self._directory = client, directory
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when the controller knows it."""
        self.launch()
        wait_for_condition(self._is_known, timeout=LIMIT)

    def launch(self) -> None:
        """Returns when the process runs, whether there is a controller or not."""
        argv = ["worker", "--id", "extra", "--controller", self._client.address]
        command = [sys.executable, "-m", "iris", *argv]
        with (self._directory / "extra.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self._directory, stdout=log, stderr=log)

    def end(self, *, kill: bool) -> None:
        process, self.process = self.process, None
        if process is not None:
            (process.kill if kill else process.terminate)()
            process.wait(timeout=LIMIT)

    def _is_known(self) -> bool:
        return any(worker.worker_id == "extra" for worker in self._client.list_workers())


@pytest.fixture
def extra(processes: IrisClient, tmp_path: Path) -> Iterator[Extra]:
    worker = Extra(processes, tmp_path)
    worker.start()
    yield worker
    worker.end(kill=False)
