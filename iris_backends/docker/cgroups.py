"""What the kernel tells of a container on this machine, by the cgroup of its first process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attrs import frozen

from iris_api.platform import Stats

__all__ = ["Cgroup"]

_ROOT: Final = Path("/sys/fs/cgroup")


@frozen
class Cgroup:
    """The directory of each controller, by its name; version 2 has one, whose name is empty."""

    folders: Mapping[str, Path]

    @classmethod
    def of(cls, pid: int) -> Cgroup | None:
        """None where that is not to be seen, as with a daemon on another machine."""
        try:
            lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        except OSError:
            return None
        found: dict[str, Path] = {}
        for line in lines:
            _, names, path = line.split(":", 2)
            for name in names.split(","):
                found[name] = _ROOT / names / path.lstrip("/") if name else _ROOT / path.lstrip("/")
        return cls(found)

    def memory_peak(self) -> int | None:
        """Bytes; None where the kernel does not keep it, or the container has ended."""
        return self._number("memory", "memory.max_usage_in_bytes", "memory.peak")

    def stats(self) -> Stats | None:
        memory = self._number("memory", "memory.usage_in_bytes", "memory.current")
        processes = self._number("pids", "pids.current", "pids.current")
        if memory is None or processes is None:
            return None
        return Stats(memory, self._cpu_seconds(), processes)

    def _cpu_seconds(self) -> float:
        if "cpuacct" in self.folders:
            return (self._number("cpuacct", "cpuacct.usage", "") or 0) / 1e9
        text = _read(self.folders[""] / "cpu.stat") or ""
        fields = dict(line.split() for line in text.splitlines())
        return int(fields.get("usage_usec", 0)) / 1e6

    def _number(self, controller: str, first: str, second: str) -> int | None:
        folder = self.folders.get(controller)
        path = folder / first if folder is not None else self.folders.get("", _ROOT) / second
        text = _read(path)
        return int(text) if text else None


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None
