"""A cluster as a user has one: ``iris up``, and ``iris worker`` where workers are to be elsewhere."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

from benchmarks.processes import Program, Session, wait_until

__all__ = ["IRIS", "start_cluster", "start_worker"]

IRIS: Final = Path(sys.executable).parent / "iris"
_RESOURCES: Final = 'resources = { cpu = 32, memory = "8GB" }'


def start_cluster(session: Session, *, own_workers: bool, runtime: str = "process", more: str = "") -> str:
    """Start ``iris up`` and wait for its health; returns its address. Without `own_workers` its pool is
    empty. `more` of the configuration."""
    count = "min = 1\nmax = 1" if own_workers else "min = 0\nmax = 1"
    address = f"127.0.0.1:{_free_port()}"
    config = session.directory / "iris.toml"
    config.write_text(
        f'[controller]\nlisten = "{address}"\nstate = "{session.directory}/state"\n'
        f'[pools.default]\nplatform = "local"\nruntime = "{runtime}"\n{count}\n{_RESOURCES}\n'
        f"{more}"
    )
    program = session.start([IRIS, "up", "--config", config])
    wait_until("the controller answers", lambda: _healthy(f"http://{address}"), program)
    if own_workers:
        _wait_for_worker(session, program, f"http://{address}")
    return f"http://{address}"


def start_worker(session: Session, address: str) -> None:
    """Start one worker of the pool as a process of its own and wait until the controller knows it."""
    config = session.directory / "iris.toml"
    program = session.start(
        [IRIS, "worker", "--pool", "default", "--controller", address, "--config", config]
    )
    _wait_for_worker(session, program, address)


def _wait_for_worker(session: Session, program: Program, address: str) -> None:
    def known() -> bool:
        argv: list[str | Path] = [IRIS, "workers", "--controller", address]
        env = session.environment() | {"COLUMNS": "200"}  # a narrower table would cut off names
        listed = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
        return listed.returncode == 0 and "default" in listed.stdout

    wait_until("the controller knows a worker", known, program)


def _healthy(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=2.0) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
