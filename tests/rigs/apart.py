"""An environment without the checkout: Iris and others as wheels, and nothing downloaded."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

__all__ = ["ROOT", "Apart"]

ROOT = Path(__file__).resolve().parents[2]
_OURS = ("PYTHON", "VIRTUAL_ENV", "PYTEST_", "IRIS_")


class Apart:
    """A virtual environment in a folder with the wheels of these projects. The libraries below them are
    borrowed from the environment that the tests run in, but neither the checkout nor its metadata."""

    def __init__(self, folder: Path, *projects: Path) -> None:
        self.folder = folder
        self.bin = folder / "env" / "bin"
        self._python = str(self.bin / "python")
        self.do(sys.executable, "-m", "venv", str(folder / "env"))
        own = self.run("-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
        # As a plain path: .pth files in there, such as the checkout's own, are not read.
        (Path(own) / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
        dist = folder / "dist"
        for project in projects:
            build = ("-m", "hatchling", "build", "--target", "wheel", "--directory", str(dist))
            self.do(sys.executable, *build, cwd=project)
        self.install(*map(str, dist.glob("*.whl")))

    def install(self, *what: str) -> None:
        """Wheels, or folders of projects."""
        quiet = ("--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", "--ignore-installed")
        self.run("-m", "pip", "install", *quiet, "--no-build-isolation", *what)

    def run(self, *arguments: str) -> str:
        """What this Python prints; the test fails with it if it does not end well."""
        return self.do(self._python, *arguments)

    def do(self, *argv: str, cwd: Path | None = None) -> str:
        env = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        ran = subprocess.run(
            argv,
            cwd=cwd or self.folder,
            env=env | {"XDG_STATE_HOME": str(self.folder / "state")},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert ran.returncode == 0, f"{' '.join(argv)}\n{ran.stdout}\n{ran.stderr}"
        return ran.stdout
