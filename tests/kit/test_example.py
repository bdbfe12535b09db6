"""plugins/iris-example as a third party has it: built, and installed with Iris where there is no checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "plugins" / "iris-example"

CALL = """
from pathlib import Path

from iris.actor import ActorClient, ActorServer
from iris_api.config import load_selection
from iris_api.context import Context

class Calculator:
    def add(self, a, b):
        return a + b

_, selection = load_selection()
resolver = selection.resolver.create(Context())
with ActorServer() as server:
    server.register("calc", Calculator())
    server.serve_background()
    Path("names.toml").write_text(f'calc = "{server.address}"')
    print(server.address, ActorClient(resolver, "calc").add(1, 2), sep="\\n")
resolver.close()
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Apart:
    """An environment with the two wheels; all else that they need it shares with this one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._python = folder / "env" / "bin" / "python"
        for project in (ROOT, EXAMPLE):
            self._do(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory",
                     str(folder / "dist"), cwd=project)  # fmt: skip
        self._do(sys.executable, "-m", "venv", str(folder / "env"))
        wheels = [str(wheel) for wheel in (folder / "dist").glob("*.whl")]
        self.run("-m", "pip", "install", "--quiet", "--no-index", "--no-deps", *wheels)
        own = self.run("-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
        # As a plain path: .pth files in there, such as the checkout's own, are not read.
        (Path(own) / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def run(self, *arguments: str) -> str:
        return self._do(str(self._python), *arguments)

    def _do(self, *argv: str, cwd: Path | None = None) -> str:
        left_out = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTEST_ADDOPTS")
        env = {key: value for key, value in os.environ.items() if key not in left_out}
        env |= {"XDG_STATE_HOME": str(self.folder / "state"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        done = subprocess.run(
            argv, cwd=cwd or self.folder, env=env, text=True, capture_output=True, timeout=240
        )
        assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Apart:
    return Apart(tmp_path_factory.mktemp("apart"))


@pytest.fixture
def selected(apart: Apart) -> Apart:
    """With an iris.toml that selects both plugins."""
    (apart.folder / "iris.toml").write_text(
        '[transport]\nkind = "mem"\n[resolver]\nkind = "file"\npath = "names.toml"\n'
    )
    return apart


def test_nothing_comes_from_the_checkout(apart: Apart) -> None:
    found = apart.run(
        "-c",
        "import iris_api.transport, iris_example; print(iris_api.transport.__file__, iris_example.__file__)",
    )
    assert all(path.startswith(str(apart.folder)) for path in found.split())


def test_its_own_tests_pass(apart: Apart) -> None:
    tests = apart.folder / "example"
    shutil.copytree(EXAMPLE / "tests", tests / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(EXAMPLE / "pyproject.toml", tests)
    shown = apart.run(
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tests),
        "-c",
        str(tests / "pyproject.toml"),
        str(tests),
    )
    assert "TestMem: 27 of 34 rules kept" in shown
    assert "TestFile: 13 of 17 rules kept" in shown


def test_iris_lists_both(selected: Apart) -> None:
    lines = [line.split() for line in selected.run("-m", "iris", "plugins", "--check").splitlines()]
    assert ["*", "mem", "iris-example", "0.1.0", "ok"] in [line[:5] for line in lines]
    assert ["*", "file", "iris-example", "0.1.0", "ok"] in [line[:5] for line in lines]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("mem", "mem: 27 passed, 7 not promised of 34 rules"),
        ("file", "file: 13 passed, 4 not promised of 17 rules"),
    ],
)
def test_iris_checks_each(apart: Apart, name: str, found: str) -> None:
    assert found in apart.run("-m", "iris", "plugin", "check", name)


def test_a_call_goes_through_both(selected: Apart) -> None:
    address, result = selected.run("-c", CALL).split()
    assert address.startswith("mem://")
    assert result == "3"
