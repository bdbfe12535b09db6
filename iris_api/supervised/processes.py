"""What /proc tells about the processes of an attempt."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Set
from pathlib import Path
from typing import Final

from attrs import frozen

from iris_api.platform import Stats
from iris_api.supervised import _files as files

__all__ = ["MARK", "kill_attempt", "kill_strays", "usage"]

MARK: Final = "IRIS_SANDBOX"  # variable with the attempt's folder, whose name is its uid
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@frozen
class _Process:
    """`stat` is /proc/<pid>/stat from the state on."""

    pid: int
    stat: list[bytes]

    @property
    def parent(self) -> int:
        return int(self.stat[1])

    @property
    def session(self) -> int:
        return int(self.stat[3])

    @property
    def started(self) -> int:
        return int(self.stat[19])

    def mark(self) -> Path | None:
        """The folder of the attempt in whose environment it was started."""
        try:
            variables = Path(f"/proc/{self.pid}/environ").read_bytes().split(b"\0")
        except OSError:  # it has ended, or is another user's
            return None
        head = f"{MARK}=".encode()
        return next((Path(os.fsdecode(v[len(head) :])) for v in variables if v.startswith(head)), None)


def kill_attempt(folder: Path, supervisor: int, timeout: float = 5.0) -> None:
    """Kill what a supervisor that was killed has left, and wait for its end: every process with the
    attempt's mark in its environment, in the session of the supervisor (0: that is not known), or below
    one of these."""
    _kill(lambda one: one.mark() == folder or one.session == supervisor != 0, timeout)


def kill_strays(root: Path, known: Set[str], timeout: float = 5.0) -> None:
    """Kill every process of an attempt below `root` that is not `known`, a uid each."""

    def stray(process: _Process) -> bool:
        mark = process.mark()
        return mark is not None and mark.parent == root and mark.name not in known

    _kill(stray, timeout)


def usage(root: int) -> Stats | None:
    """What all processes below `root` use now."""
    below = _below({root}, _all())
    if not below:
        return None
    seconds = sum(int(one.stat[11]) + int(one.stat[12]) for one in below) / _TICKS
    return Stats(sum(int(one.stat[21]) for one in below) * _PAGE, seconds, len(below))


def _kill(wanted: Callable[[_Process], bool], timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while (found := _open_all(wanted)) and time.monotonic() < deadline:
        for fd in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                signal.pidfd_send_signal(fd, signal.SIGKILL)
        for fd in found:
            select.select([fd], [], [], max(0.0, deadline - time.monotonic()))
            os.close(fd)


def _open_all(wanted: Callable[[_Process], bool]) -> list[int]:
    """A pidfd of each living one; its start is looked at again once open, so that an id used anew is not
    taken for it."""
    everything = [one for one in _all() if one.stat[0] != b"Z" and one.pid != os.getpid()]
    own = [one for one in everything if wanted(one)]
    found = []
    for one in {one.pid: one for one in (*own, *_below({one.pid for one in own}, everything))}.values():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fd = os.pidfd_open(one.pid)
            if files.start_time(one.pid) == one.started:
                found.append(fd)
            else:
                os.close(fd)
    return found


def _all() -> list[_Process]:
    found = []
    for pid in files.all_pids():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found.append(_Process(pid, files.stat_fields(pid)))
    return found


def _below(roots: Set[int], processes: list[_Process]) -> list[_Process]:
    """Every descendant of these."""
    children: dict[int, list[_Process]] = {}
    for one in processes:
        children.setdefault(one.parent, []).append(one)
    found: list[_Process] = []
    below = list(roots)
    while below:
        for one in children.get(below.pop(), ()):
            below.append(one.pid)
            found.append(one)
    return found
