"""Which interpreter a path leads to: asked once, by running it."""

from __future__ import annotations

import functools
import os
import subprocess
from typing import Final

from iris_api.errors import PlatformError
from iris_api.platform import Interpreter

__all__ = ["interpreter_at"]

_TELL: Final = (
    "import sys, sysconfig; "
    "print(sys.executable, sys.version.replace('\\n', ' '), sysconfig.get_platform(), sep='; ')"
)
_PATIENCE: Final = 30.0  # seconds that it may take to start


@functools.lru_cache(maxsize=32)
def interpreter_at(python: str, path: str) -> Interpreter:
    """The one that `python` starts where PATH is `path`. Raises PlatformError where it does not start."""
    try:
        told = subprocess.run(
            [python, "-I", "-S", "-c", _TELL],
            env={**os.environ, "PATH": path},
            capture_output=True,
            check=True,
            text=True,
            timeout=_PATIENCE,
        )
    except subprocess.CalledProcessError as error:
        last = error.stderr.strip().rpartition("\n")[2]
        raise PlatformError(f"the interpreter {python!r} cannot be run: {last}") from error
    except (OSError, subprocess.SubprocessError) as error:
        raise PlatformError(f"the interpreter {python!r} cannot be run: {error}") from error
    return Interpreter((python,), told.stdout.strip(), path)
