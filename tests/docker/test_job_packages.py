"""Packages of a job in containers: installed inside the image, shared read-only."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from iris.client import IrisClient
from iris.cluster.types import Entrypoint, EnvironmentSpec
from tests.rigs.wheels import wheel

LIMIT = 120.0  # seconds


@pytest.fixture
def client(image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[IrisClient]:
    """A cluster whose worker has uv, for the image has no pip; no registry is asked."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        pytest.skip("there is no uv on this machine")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "uv").symlink_to(uv)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    wheel(tmp_path / "workspace" / "wheels", "thing")
    config = tmp_path / "iris.toml"
    config.write_text(
        f'[platforms.box]\nkind = "docker"\nimage = "{image}"\npull = "never"\n'
        '[pools.default]\nplatform = "local"\nruntime = "box"\n'
    )
    with IrisClient.local(config=config, workspace=tmp_path / "workspace") as client:
        yield client


def test_a_wheel_of_the_workspace(client: IrisClient) -> None:
    """What one task's container has installed, the next one's uses, and neither can change."""

    def use_thing() -> None:
        import importlib
        import subprocess
        from pathlib import Path

        thing = importlib.import_module("thing")
        print(thing.VERSION, subprocess.check_output(["thing"], text=True), end="")
        try:
            Path(str(thing.__file__)).write_text("")
        except OSError as error:
            print(type(error).__name__, error.errno)

    environment = EnvironmentSpec(pip_packages=("./wheels/thing-1.0-py3-none-any.whl",))
    for name, first in (
        ("first", "iris: installing 1 requirements"),
        ("second", "iris: packages are those of"),
    ):
        job = client.submit(
            name=name, entrypoint=Entrypoint.from_callable(use_thing), environment=environment
        )
        job.wait(timeout=LIMIT)
        logs = list(job.tasks()[0].logs())
        assert [one.data for one in logs if one.source == "stdout"] == ["1.0 1.0", "OSError 30"]
        assert next(one.data for one in logs if one.source == "build").startswith(first)
