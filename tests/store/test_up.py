"""``iris up`` on a PostgreSQL database: it runs jobs, survives kill -9, and ends when its state is taken."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.store.postgres import PostgresServer

Up = Callable[[str], "tuple[subprocess.Popen[str], str]"]


@pytest.fixture
def name(postgres: PostgresServer) -> str:
    return postgres.create_database()


@pytest.fixture
def up(postgres: PostgresServer, name: str, tmp_path: Path) -> Iterator[Up]:
    """Starts ``iris up`` on a directory of its own; returns the process and its address."""
    processes: list[subprocess.Popen[str]] = []

    def start(directory: str) -> tuple[subprocess.Popen[str], str]:
        config = tmp_path / f"{directory}.toml"
        config.write_text(
            f'[controller]\nlisten = "127.0.0.1:0"\n[controller.state]\ndirectory = "{directory}"\n'
            f'database = "{postgres.url(name)}"\n[pools.default]\nruntime = "process"\n'
        )
        command = [sys.executable, "-u", "-m", "iris", "up", "--config", str(config)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        address = re.search(r"http://[\d.:]+", process.stdout.readline())
        return process, address[0] if address else ""

    yield start
    for process in processes:
        process.terminate()
        process.communicate(timeout=30)


def run(address: str, *argv: str) -> str:
    command = [sys.executable, "-m", "iris", argv[0], "--controller", address, *argv[1:]]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=50).stdout


@pytest.mark.slow
def test_jobs_are_there_after_a_kill(up: Up) -> None:
    process, address = up("a")
    assert run(address, "run", "--name", "hello", "--", "echo", "hello") == "hello\n"
    process.kill()
    process.communicate(timeout=10)
    _, address = up("a")
    assert re.search(r"hello-\w+ +hello +SUCCEEDED", run(address, "jobs"))
    assert run(address, "run", "--", "echo", "again") == "again\n"


@pytest.mark.slow
def test_it_ends_and_says_why_when_its_state_is_taken(up: Up, postgres: PostgresServer, name: str) -> None:
    process, _ = up("a")
    postgres.run(name, "UPDATE controller SET session = 'x', pid = 7, host = 'there', address = 'http://t:1'")
    output, errors = process.communicate(timeout=30)
    assert "All gone." in output
    said = "was taken over by another controller: process 7 on there at http://t:1"
    assert errors.splitlines()[-1] == f"iris: the state in {postgres.url(name)} {said}"
    assert process.returncode == 2


@pytest.mark.slow
def test_a_second_one_says_who_is_there(up: Up, postgres: PostgresServer, name: str) -> None:
    first, address = up("a")
    second, _ = up("b")
    _, errors = second.communicate(timeout=30)
    who = f"another controller: process {first.pid} on {os.uname().nodename} at {address}"
    assert errors.splitlines()[-1] == f"iris: the state in {postgres.url(name)} is in use by {who}"
    assert second.returncode == 2
