"""With the built wheel, away from the checkout: a new plugin is written, installed, and its tests pass."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


class Environment:
    """A virtual environment with the wheel. It borrows the libraries below Iris from the one that runs this
    test, so that nothing is downloaded, but neither Iris nor its metadata."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.bin = folder / "env" / "bin"
        self.place = folder / "empty"
        self.place.mkdir()
        self.run(sys.executable, "-m", "venv", str(folder / "env"), cwd=folder)
        (site,) = (folder / "env" / "lib").glob("*/site-packages")
        (site / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
        build = ("-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder / "dist"))
        self.run(sys.executable, *build, cwd=ROOT)
        (wheel,) = (folder / "dist").glob("*.whl")
        self.install(str(wheel))

    def install(self, what: str) -> None:
        self.run(
            *(str(self.bin / "python"), "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"),
            *("--no-build-isolation", "--disable-pip-version-check", "--ignore-installed", what),
        )

    def run(self, *argv: str, cwd: Path | None = None) -> str:
        """Its output; the test fails with it if the command does."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL"))
        }
        ran = subprocess.run(
            argv, cwd=cwd or self.place, env=kept, capture_output=True, text=True, timeout=300, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("wheel"))


def test_iris_is_that_of_the_wheel(environment: Environment) -> None:
    said = environment.run(str(environment.bin / "python"), "-c", "import iris_api; print(iris_api.__file__)")
    assert said.startswith(str(environment.bin.parent))


def test_a_new_platform_is_installed_and_keeps_the_rules(environment: Environment) -> None:
    iris, python = str(environment.bin / "iris"), str(environment.bin / "python")
    environment.run(iris, "plugin", "new", "demo", "--kind", "platform")
    environment.install("./iris-demo")
    assert " demo " in environment.run(iris, "plugins")
    tests = environment.run(python, "-m", "pytest", "-q", "iris-demo/tests", "-p", "no:randomly")
    assert " passed" in tests
    assert "TestDemo: 21 of 22 rules kept" in tests
    assert "demo: 21 passed, 1 not promised of 22 rules" in environment.run(iris, "plugin", "check", "demo")
