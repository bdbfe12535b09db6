"""Installs packages where they will be used: ``python install.py TARGET REQUIREMENTS UV``. A script of the
standard library alone: it runs in images that have nothing else. UV may be empty, or not run there.
"""

import os
import subprocess
import sys

TYPE_CHECKING = False  # of typing, which is slow to import
if TYPE_CHECKING:
    from typing import NoReturn


def main(target: str, requirements: str, uv: str) -> None:
    """Become the installer."""
    if uv and _runs(uv):
        _become(
            "uv",
            *(uv, "pip", "install", "--target", target, "--python", sys.executable),
            *("--compile-bytecode", "--no-progress", "-r", requirements),
        )
    if not _has_pip():
        why = "uv cannot be run there" if uv else "the worker has no uv"
        sys.exit(f"ERROR: {sys.executable} has no pip, and {why}")
    _become(
        "pip",
        *(sys.executable, "-m", "pip", "install", "--target", target, "--no-input"),
        *("--disable-pip-version-check", "--progress-bar", "off", "-r", requirements),
    )


def _runs(uv: str) -> bool:
    try:
        subprocess.run([uv, "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"iris: uv cannot be run here: {error}\n")
        return False
    return True


def _has_pip() -> bool:
    import importlib.util

    return importlib.util.find_spec("pip") is not None


def _become(name: str, *argv: str) -> "NoReturn":
    sys.stderr.write(f"iris: {name} installs\n")
    sys.stderr.flush()
    os.execve(argv[0], argv, _environment())  # noqa: S606


def _environment() -> "dict[str, str]":
    """With directories for temporary files and, where the user has none, caches beside the packages: those of
    a container are often memory."""
    here = os.getcwd()  # noqa: PTH109  pathlib is slow to import
    temporary = os.path.join(here, "tmp")  # noqa: PTH118
    os.makedirs(temporary, exist_ok=True)  # noqa: PTH103
    env = {**os.environ, "TMPDIR": temporary}
    home = env.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
    for name in ("UV_CACHE_DIR", "PIP_CACHE_DIR"):
        if not _writable(env.get(name) or home):
            env[name] = os.path.join(here, "cache", name)  # noqa: PTH118
    return env


def _writable(path: str) -> bool:
    return os.path.isdir(path) and os.access(path, os.W_OK)  # noqa: PTH112


if __name__ == "__main__":
    main(*sys.argv[1:])
