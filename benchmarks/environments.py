"""Environments of the peers, beside and apart from our own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from benchmarks.processes import ROOT, BenchmarkError

__all__ = ["PINS", "peer_python"]

# The same numpy as in requirements.lock, so that arrays cost everybody the same.
PINS: Final = {
    "ray": ("ray==2.60.0", "numpy==2.4.6"),
    "pyro5": ("Pyro5==5.17", "numpy==2.4.6"),
}
_TIMEOUT: Final = 600.0


def peer_python(peer: str) -> Path:
    """The interpreter of the environment that holds `peer`; made at first use and when its pins change."""
    home = ROOT / "benchmarks" / ".envs" / peer
    python, ready = home / "bin" / "python", home / ".ready"
    pins = "\n".join(PINS[peer])
    if not ready.is_file() or ready.read_text() != pins:
        print(f"benchmarks: installing {' '.join(PINS[peer])} into {home.relative_to(ROOT)}", file=sys.stderr)
        shutil.rmtree(home, ignore_errors=True)
        _make(home, python, PINS[peer])
        ready.write_text(pins)
    return python


def _make(home: Path, python: Path, pins: tuple[str, ...]) -> None:
    base = str(Path(sys.executable).resolve())  # of the same Python, though not of our environment
    if _works("uv"):
        _run("uv", "venv", "--quiet", "--no-project", "--python", base, str(home))
        _run("uv", "pip", "install", "--quiet", "--python", str(python), *pins)
    else:
        _run(base, "-m", "venv", str(home))
        _run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *pins)


def _works(tool: str) -> bool:
    return (
        shutil.which(tool) is not None
        and not subprocess.run([tool, "--version"], capture_output=True).returncode
    )


def _run(*argv: str) -> None:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise BenchmarkError(f"{' '.join(argv)} took more than {_TIMEOUT:g} s") from None
    if done.returncode:
        raise BenchmarkError(f"{' '.join(argv)} failed:\n{done.stderr.strip()[-2000:]}")
