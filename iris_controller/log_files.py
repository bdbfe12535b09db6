"""The directories of logs, one a root job: what each takes, and which go. All of it blocks on the disk."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Final

__all__ = ["REMOVED", "remove_logs", "roots", "sizes"]

# In the directory of a root job whose logs were removed to make room; no job and no replica is called so.
REMOVED: Final = ":removed"


def sizes(directory: Path) -> dict[str, int]:
    """Bytes of logs by root job."""
    return {name: _size(directory / name) for name in roots(directory)}


def remove_logs(directory: Path, root: str) -> None:
    """Remove what a root job and all below it have put out, and leave a mark that it was so."""
    place = directory / root
    with contextlib.suppress(FileNotFoundError):  # the job was forgotten meanwhile
        (place / REMOVED).touch()
        for entry in os.scandir(place):
            if entry.name != REMOVED:
                shutil.rmtree(entry.path, ignore_errors=True)


def roots(directory: Path) -> list[str]:
    """The root jobs that have logs, or a mark that theirs were removed."""
    try:
        return [entry.name for entry in directory.iterdir()]
    except FileNotFoundError:
        return []


def _size(place: Path) -> int:
    total = 0
    for folder, _, files in os.walk(place):
        for name in files:
            with contextlib.suppress(FileNotFoundError):
                total += (Path(folder) / name).stat().st_size
    return total
