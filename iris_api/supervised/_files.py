"""The files by which a worker and a supervisor talk: one directory an attempt. Imports nothing slow."""

import os

LAUNCH = "launch"  # fields separated by NUL; the supervisor removes it
CONTROL = "control"  # FIFO to the supervisor: "stop <grace>\n", "worker <pid> <start time>\n", "alone\n"
WAKE = "wake"  # FIFO to the worker: a byte says that the spool has grown
SPOOL = "spool"  # "<unix microseconds> <o|e> <line>\n", the line's bytes as they came
OWNER = "owner"  # "<pid> <start time>" of the supervisor
NOTE = "note"  # "<exit kind>\n<message>", where the task could say more than a code
EXIT = "exit"  # "<key> <value>\n" each; there once all of the attempt is gone
CALL = "call"  # "<python version>\n<pickle>"
TOKEN = "token"  # noqa: S105  a file name
LOG = "supervisor.log"
RESERVE = "reserve"  # room made before the attempt starts, for what must be told on a full disk
PAGE = 4096  # bytes of it that one such file takes
PAGES = 4


def write_surely(path: str, data: bytes) -> None:
    """As `write_atomically`, on a full disk in the room that was reserved."""
    try:
        write_atomically(path, data)
    except OSError:
        reserve = os.path.join(os.path.dirname(path), RESERVE)  # noqa: PTH118, PTH120
        os.truncate(reserve, os.stat(reserve).st_size - PAGE)  # noqa: PTH116
        write_atomically(path, data)


def write_atomically(path: str, data: bytes) -> None:
    draft = f"{path}.{os.getpid()}"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
    os.rename(draft, path)  # noqa: PTH104  pathlib is slow to import


def start_time(pid: int | str) -> int:
    """Clock ticks from boot to the start of a process: with its id, they name it for good."""
    return int(stat_fields(pid)[19])


def stat_fields(pid: int | str) -> list[bytes]:
    """/proc/<pid>/stat from the state on. Raises FileNotFoundError or ProcessLookupError."""
    with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
        return file.read().rpartition(b")")[2].split()  # the name in () may hold anything


def all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208
