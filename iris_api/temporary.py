"""Directories that come and go: of this process in the place for temporary files, and any that is removed."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Final

from iris_api.supervised import _files as files

__all__ = ["discard", "make_directory"]

_NAME: Final = re.compile(r"iris-[a-z]+-([0-9]+)-([0-9]+)-.*")


def make_directory(kind: str) -> Path:
    """A new directory, readable by its owner only. Those of processes that were killed are removed first."""
    _sweep(Path(tempfile.gettempdir()))
    pid = os.getpid()
    return Path(tempfile.mkdtemp(prefix=f"iris-{kind}-{pid}-{files.start_time(pid)}-"))


def discard(directory: Path) -> None:
    """Remove it in two steps, so that what is left of an interrupted removal is not taken for one: it is
    renamed to begin with a dot. One that is not there is fine."""
    gone = directory.with_name(f".{directory.name}")
    with contextlib.suppress(FileNotFoundError):
        directory.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _sweep(parent: Path) -> None:
    for path in parent.glob("iris-*"):
        made = _NAME.fullmatch(path.name)
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            if made is not None and path.stat().st_uid == os.getuid() and _ended(int(made[1]), int(made[2])):
                shutil.rmtree(path, ignore_errors=True)


def _ended(pid: int, started: int) -> bool:
    try:
        return files.start_time(pid) != started
    except (FileNotFoundError, ProcessLookupError):
        return True
