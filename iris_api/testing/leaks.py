"""What a piece of code has left behind: threads of this process, and processes below it."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from iris_api._threads.stacks import describe_thread

__all__ = ["Process", "leaked_processes", "leaked_threads", "process_snapshot", "thread_snapshot"]

T = TypeVar("T")

_INTERVAL = 0.005  # seconds between two looks
_EXEMPT = "multiprocessing.resource_tracker"  # one a process, made on demand, lives as long as it


@dataclass(frozen=True, slots=True)
class Process:
    """A process by its id and its start (clock ticks since boot), because ids are used again."""

    pid: int
    started: int
    state: str = field(compare=False)  # one letter, as in /proc/<pid>/stat; Z is a zombie
    argv: tuple[str, ...] = field(compare=False)

    def __str__(self) -> str:
        if self.state == "Z":
            return f"process {self.pid} has ended, but nobody waited for it"
        return f"process {self.pid} runs: {' '.join(self.argv)}"


def thread_snapshot() -> frozenset[threading.Thread]:
    """The threads that are alive now. Does not block."""
    return frozenset(threading.enumerate())


def leaked_threads(before: frozenset[threading.Thread], grace: float = 2.0) -> list[str]:
    """Describe, each with its stack, the threads that were not there `before`.

    Blocks at most `grace` seconds to let them end.
    """
    left = _wait_until_gone(lambda: thread_snapshot() - before, grace)
    return sorted(describe_thread(thread) for thread in left)


def process_snapshot() -> frozenset[Process]:
    """The children of this process and theirs, as /proc shows them now. Does not block.

    Not seen: a process whose parent has ended, which then belongs to init.
    """
    below = _descendants(os.getpid())
    return frozenset(process for process in below if _EXEMPT not in " ".join(process.argv))


def leaked_processes(before: frozenset[Process], grace: float = 2.0) -> list[str]:
    """Describe, each with its argv, the processes below this one that were not there `before`.

    Blocks at most `grace` seconds to let them end.
    """
    left = _wait_until_gone(lambda: process_snapshot() - before, grace)
    return [str(process) for process in sorted(left, key=lambda process: process.pid)]


def _wait_until_gone(look: Callable[[], frozenset[T]], grace: float) -> frozenset[T]:
    deadline = time.monotonic() + grace
    while (left := look()) and time.monotonic() < deadline:
        time.sleep(_INTERVAL)
    return left


def _descendants(root: int) -> Iterator[Process]:
    children: dict[int, list[tuple[int, list[str]]]] = {}
    for pid, stat in _all_stats():
        children.setdefault(int(stat[1]), []).append((pid, stat))
    below = [root]
    while below:
        for pid, stat in children.get(below.pop(), ()):
            below.append(pid)
            yield Process(pid, int(stat[19]), stat[0], _argv(pid))


def _all_stats() -> Iterator[tuple[int, list[str]]]:
    """Each process's id, and the fields of its /proc/<pid>/stat from the state on."""
    for folder in Path("/proc").iterdir():
        name = folder.name
        text = _read(folder / "stat") if name.isdigit() else ""
        if text:
            yield int(name), text[text.rindex(")") + 2 :].split()  # the name in () may hold anything


def _argv(pid: int) -> tuple[str, ...]:
    return tuple(filter(None, _read(Path(f"/proc/{pid}/cmdline")).split("\0")))


def _read(path: Path) -> str:
    """The text of a file; empty if its process has ended meanwhile."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
