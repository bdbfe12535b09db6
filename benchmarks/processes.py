"""The processes that a benchmark starts. All of them end with their session, whatever happens."""

from __future__ import annotations

import json
import os
import secrets
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

__all__ = ["ROOT", "BenchmarkError", "Program", "Session", "wait_until"]

ROOT: Final = Path(__file__).resolve().parent.parent
_MARK: Final = "IRIS_BENCHMARK_RUN"
_GRACE: Final = 15.0  # seconds from SIGTERM to SIGKILL


class BenchmarkError(Exception):
    """A benchmark could not be measured; the text says what happened."""


class Session:
    """A directory of its own, and the processes in it. Each carries a mark in its environment, so that
    those which leave their parent's session are found again."""

    def __init__(self) -> None:
        self._mark = secrets.token_hex(8)
        # Short, since the paths of Ray's sockets start with it and may have 107 characters.
        self.directory = Path(tempfile.mkdtemp(prefix="ib-", dir="/tmp"))
        self._programs: list[Program] = []

    def environment(self) -> dict[str, str]:
        """That of this process without what would change the result; tokens are kept in the directory."""
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith(("IRIS_", "PYTHON", "RAY_"))
        }
        own = {_MARK: self._mark, "XDG_STATE_HOME": str(self.directory), "TMPDIR": str(self.directory)}
        return kept | own

    def start(self, argv: Sequence[str | Path], env: Mapping[str, str] | None = None) -> Program:
        program = Program(argv, self.environment() | dict(env or {}), self.directory)
        self._programs.append(program)
        return program

    def driver(
        self, module: str, *args: str, python: Path | None = None, env: Mapping[str, str] | None = None
    ) -> Program:
        """Start ``benchmarks.drivers.<module>``, with this interpreter or another one."""
        return self.start([python or sys.executable, "-m", f"benchmarks.drivers.{module}", *args], env)

    def pids(self) -> set[int]:
        """All living processes of this session: those that carry the mark, and their descendants."""
        found: set[int] = set()
        parents: dict[int, int] = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
                parents[int(entry.name)] = int(stat[1])
                if stat[0] != "Z" and f"{_MARK}={self._mark}".encode() in (entry / "environ").read_bytes():
                    found.add(int(entry.name))
            except OSError:  # it has ended meanwhile, or is another user's
                continue
        return _with_descendants(found, parents)

    def close(self) -> list[str]:
        """End everything, last started first. Returns the commands of what its parent had left behind."""
        for program in reversed(self._programs):
            program.stop()
        deadline = time.monotonic() + 3.0
        while self.pids() and time.monotonic() < deadline:
            time.sleep(0.05)
        left = [_kill(pid) for pid in self.pids()]
        shutil.rmtree(self.directory, ignore_errors=True)
        return left

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if left := self.close():
            print(f"benchmarks: had to kill what was left behind: {'; '.join(left)}", file=sys.stderr)


class Program:
    """One process that speaks JSON, a line a message; what it says on stderr is kept for errors."""

    def __init__(self, argv: Sequence[str | Path], env: Mapping[str, str], directory: Path) -> None:
        self._name = " ".join(map(str, argv))
        self._errors = directory / f"stderr-{secrets.token_hex(4)}"
        self._unread = b""
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                argv, env=env, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, command: str, timeout: float = 60.0, **args: Any) -> Any:
        """Have a driver do something; what it answers."""
        assert self._process.stdin is not None
        message = json.dumps({"do": command, "args": args}) + "\n"
        try:
            self._process.stdin.write(message.encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self.failed("does not listen any more") from None
        return self.read(timeout)

    def read(self, timeout: float = 60.0) -> Any:
        """The next line, as JSON. Raises BenchmarkError with the end of stderr when none comes in time."""
        line = self._line(time.monotonic() + timeout, timeout)
        return json.loads(line)

    def _line(self, deadline: float, timeout: float) -> bytes:
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise self.failed(f"said nothing within {timeout:g} s")
                chunk = os.read(self._process.stdout.fileno(), 65536)
                if not chunk:
                    raise self.failed("ended early")
                self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def failed(self, what: str) -> BenchmarkError:
        """An error about this program that carries the end of its stderr."""
        lines = self._errors.read_text(errors="replace").splitlines()[-15:]
        return BenchmarkError("\n".join([f"{self._name} {what}", *(f"    {line}" for line in lines)]))

    def stop(self) -> None:
        """A driver ends when its input does, anything else by SIGTERM; SIGKILL after a grace."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:  # it has ended before it read everything
            pass
        if "benchmarks.drivers" not in self._name:
            self._process.terminate()
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            print(f"benchmarks: {self._name} did not end within {_GRACE:g} s", file=sys.stderr)
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def wait_until(what: str, condition: Callable[[], bool], program: Program, timeout: float = 30.0) -> None:
    """Poll until it holds. Raises BenchmarkError when it does not, or when `program` has ended."""
    deadline = time.monotonic() + timeout
    while not condition():
        if not program.alive():
            raise program.failed(f"ended before {what}")
        if time.monotonic() > deadline:
            raise program.failed(f"was given {timeout:g} s until {what}")
        time.sleep(0.1)


def _with_descendants(pids: set[int], parents: Mapping[int, int]) -> set[int]:
    found = set(pids)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def _kill(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        os.kill(pid, signal.SIGKILL)
    except OSError:
        return f"{pid} (has ended by itself)"
    return f"{pid} {command[:120]}"
