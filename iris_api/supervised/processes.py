"""What /proc tells about the processes of an attempt."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from pathlib import Path

from iris_api.platform import Stats
from iris_api.supervised import _files as files

__all__ = ["kill_attempt", "usage"]

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def kill_attempt(uid: str, timeout: float = 5.0) -> None:
    """Kill every process that has the attempt's uid in its environment, and wait for their end."""
    deadline = time.monotonic() + timeout
    while (found := _open_all(uid)) and time.monotonic() < deadline:
        for fd in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                signal.pidfd_send_signal(fd, signal.SIGKILL)
        for fd in found:
            select.select([fd], [], [], max(0.0, deadline - time.monotonic()))
            os.close(fd)


def usage(root: int) -> Stats | None:
    """What all processes below `root` use now."""
    below = _descendants(root)
    if not below:
        return None
    seconds = sum(int(stat[11]) + int(stat[12]) for stat in below) / _TICKS
    return Stats(sum(int(stat[21]) for stat in below) * _PAGE, seconds, len(below))


def _open_all(uid: str) -> list[int]:
    """A pidfd of each; looked at again once open, so that an id used anew is not taken for it."""
    mark = f"IRIS_ATTEMPT_UID={uid}".encode()
    found = []
    for pid in files.all_pids():
        if pid == os.getpid() or not _has(pid, mark):
            continue
        with contextlib.suppress(ProcessLookupError):
            fd = os.pidfd_open(pid)
            if _has(pid, mark):
                found.append(fd)
            else:
                os.close(fd)
    return found


def _has(pid: int, mark: bytes) -> bool:
    try:
        return mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # it has ended, or is another user's
        return False


def _descendants(root: int) -> list[list[bytes]]:
    children: dict[int, list[tuple[int, list[bytes]]]] = {}
    for pid in files.all_pids():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            stat = files.stat_fields(pid)
            children.setdefault(int(stat[1]), []).append((pid, stat))
    found, below = [], [root]
    while below:
        for pid, stat in children.get(below.pop(), ()):
            below.append(pid)
            found.append(stat)
    return found
