"""``iris up`` as its own process, and ``iris`` as a user calls it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Iris = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def iris() -> Iris:
    """Run a command to its end."""

    def run(*argv: str, timeout: float = 50.0, **env: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "iris", *argv]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, env=os.environ | env, check=False
        )

    return run


@pytest.fixture
def address(tmp_path: Path, own_state: Path) -> Iterator[str]:
    """The controller's address of a cluster that ``iris up`` runs."""
    config = tmp_path / "iris.toml"
    config.write_text(
        '[controller]\nlisten = "127.0.0.1:0"\n[pools.default]\nplatform = "local"\nruntime = "process"\n'
    )
    up = subprocess.Popen(
        [sys.executable, "-u", "-m", "iris", "up", "--config", str(config)], stdout=subprocess.PIPE, text=True
    )
    assert up.stdout is not None
    try:
        first = up.stdout.readline()
        found = re.search(r"http://[\d.:]+", first)
        assert found, f"iris up said: {first}"
        yield found[0]
    finally:
        up.send_signal(signal.SIGINT)
        rest, _ = up.communicate(timeout=20)
    assert "All gone." in rest
    assert up.returncode == 0
