"""Installs packages where they will be used: ``python install.py TARGET REQUIREMENTS UV``. A script of the
standard library alone: it runs in images that have nothing else. UV may be empty, or not run there.
"""

import os
import subprocess
import sys


def main(target: str, requirements: str, uv: str) -> None:
    """Become the installer."""
    here = os.getcwd()  # noqa: PTH109  pathlib is slow to import
    os.environ["TMPDIR"] = os.path.join(here, "tmp")  # noqa: PTH118  that of an image may be small
    os.makedirs(os.environ["TMPDIR"], exist_ok=True)  # noqa: PTH103
    _see_to_caches(os.path.join(here, "cache"))  # noqa: PTH118
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


def _see_to_caches(own: str) -> None:
    """A cache that cannot be written is none: a new one lives as long as the installation."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
    for name, usual in (("UV_CACHE_DIR", "uv"), ("PIP_CACHE_DIR", "pip")):
        if not _writable(os.environ.get(name) or os.path.join(home, usual)):  # noqa: PTH118
            os.environ[name] = os.path.join(own, usual)  # noqa: PTH118


def _writable(path: str) -> bool:
    while not os.path.exists(path) and os.path.dirname(path) != path:  # noqa: PTH110, PTH120
        path = os.path.dirname(path)  # noqa: PTH120
    return os.path.isdir(path) and os.access(path, os.W_OK)  # noqa: PTH112


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


def _become(name: str, *argv: str) -> None:
    sys.stderr.write(f"iris: {name} installs\n")
    sys.stderr.flush()
    os.execv(argv[0], argv)  # noqa: S606


if __name__ == "__main__":
    main(*sys.argv[1:])
