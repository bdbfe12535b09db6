"""What /proc shows of a cluster: the processes of its attempts, and everything that belongs to it."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

__all__ = ["Seen", "attempt_processes", "parent_of", "processes_of"]


@frozen
class Seen:
    """A process by its id and its start (clock ticks since boot), because ids are used again."""

    pid: int
    started: int
    command: str

    def __str__(self) -> str:
        return f"process {self.pid} ({self.command[:160]})"


def attempt_processes(address: str) -> dict[str, list[Seen]]:
    """The living processes of attempts of the cluster at `address`, by the attempts' uid."""
    mark = f"IRIS_CONTROLLER_ADDRESS={address}".encode()
    found: dict[str, list[Seen]] = {}
    for folder in _all():
        env = _read(folder / "environ").split(b"\0")
        if mark not in env:
            continue
        uid = next(
            (one[len("IRIS_ATTEMPT_UID=") :] for one in env if one.startswith(b"IRIS_ATTEMPT_UID=")), b""
        )
        seen = _seen(folder)
        if seen is not None:
            found.setdefault(uid.decode(), []).append(seen)
    return found


def processes_of(directory: Path, address: str) -> list[Seen]:
    """Every living process that names `directory` in its argv or environment, or `address`."""
    marks = (str(directory).encode(), f"IRIS_CONTROLLER_ADDRESS={address}".encode())
    found = []
    for folder in _all():
        text = _read(folder / "cmdline") + b"\0" + _own_marks(_read(folder / "environ"))
        seen = _seen(folder) if any(mark in text for mark in marks) else None
        if seen is not None:
            found.append(seen)
    return found


def parent_of(pid: int) -> int:
    """0 when it has ended."""
    stat = _read(Path(f"/proc/{pid}/stat")).decode(errors="replace").rpartition(")")[2].split()
    return int(stat[1]) if stat else 0


def _own_marks(environ: bytes) -> bytes:
    return b"\0".join(one for one in environ.split(b"\0") if one.startswith((b"IRIS_", b"TMPDIR=")))


def _seen(folder: Path) -> Seen | None:
    stat = _read(folder / "stat").decode(errors="replace").rpartition(")")[2].split()
    if not stat or stat[0] == "Z":
        return None
    command = _read(folder / "cmdline").replace(b"\0", b" ").decode(errors="replace")
    return Seen(int(folder.name), int(stat[19]), command)


def _all() -> list[Path]:
    return [path for path in Path("/proc").iterdir() if path.name.isdigit()]


def _read(path: Path) -> bytes:
    """Empty if the process has ended meanwhile, or is none of ours."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""
