"""A real cluster on this machine: controller, one worker, tasks as processes or threads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from iris.client import IrisClient


@pytest.fixture(params=["process", "local"])
def runtime(request: pytest.FixtureRequest) -> str:
    """How tasks are sandboxed."""
    return str(request.param)


@pytest.fixture
def remote_address(runtime: str, tmp_path: Path) -> Iterator[str]:
    """The address of a running controller; only iris.toml says whether tasks are processes or threads."""
    config = tmp_path / "iris.toml"
    config.write_text(
        f'[pools.default]\nplatform = "local"\nruntime = "{runtime}"\n'
        'min = 1\nmax = 1\nresources = { cpu = 64, memory = "64GB" }\n'
    )
    with IrisClient.local(config=config) as client:
        yield client.address


@pytest.fixture
def remote_client(remote_address: str) -> IrisClient:
    """A client as another program of the same user would make it."""
    return IrisClient.remote(remote_address)
