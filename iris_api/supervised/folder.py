"""Folder: the directory by which a worker and the supervisor of one attempt talk."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from attrs import frozen

from iris_api.credentials import Token, write_token
from iris_api.platform import Exit, ExitKind, Lease
from iris_api.supervised import _files as files
from iris_api.temporary import discard

__all__ = ["Folder", "Owner", "Program", "SpoolReader", "this_process"]

_SOURCES = {b"o": "stdout", b"e": "stderr"}
_SLICE = 1 << 20


@frozen(kw_only=True)
class Program:
    """What a supervisor starts. `fault` is the exit's kind if it cannot; `bound`: it ends with the worker.
    `controller` is the address that the lease is about."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    limit: int
    bound: bool
    fault: ExitKind
    lease: Lease | None
    controller: str

    def to_bytes(self) -> bytes:
        head = (
            str(self.cwd),
            str(self.limit),
            str(int(self.bound)),
            self.fault.value,
            this_process(),
            self._lease(),
            str(len(self.argv)),
        )
        pairs = (f"{key}={value}" for key, value in self.env.items())
        return b"\0".join(os.fsencode(text) for text in (*head, *self.argv, *pairs))

    def _lease(self) -> str:
        if self.lease is None or self.bound:
            return ""
        parts = urlsplit(self.controller)
        where = f" {parts.hostname} {parts.port}" if parts.hostname and parts.port else ""
        return f"{self.lease.grace:f} {self.lease.absence:f}{where}"


def this_process() -> str:
    """How a supervisor is told who its worker is."""
    return f"{os.getpid()} {files.start_time('self')}"


@frozen
class Owner:
    """The supervisor's process."""

    pid: int
    started: int

    def open(self) -> int | None:
        """A pidfd of exactly this process; None if it has ended."""
        try:
            fd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return None
        try:
            if files.start_time(self.pid) == self.started:
                return fd
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has ended meanwhile
        os.close(fd)
        return None


class Folder:
    """Readable by its owner only. Its name is the attempt's uid."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.uid = path.name

    def create(self, program: Program, call: bytes, python: str, token: Token | None) -> None:
        """Whole or not at all, for a worker may be killed meanwhile and the next one looks for folders.
        Raises OSError; FileExistsError where the attempt is known."""
        if self.path.exists():
            raise FileExistsError(errno.EEXIST, "the attempt has a folder", str(self.path))
        draft = Folder(self.path.with_name(f".new-{self.uid}"))
        try:
            draft._fill(program, call, python, token)
            draft.path.rename(self.path)
        except BaseException:
            shutil.rmtree(draft.path, ignore_errors=True)
            raise

    def _fill(self, program: Program, call: bytes, python: str, token: Token | None) -> None:
        self.path.mkdir(mode=0o700, parents=True)
        os.mkfifo(self.path / files.CONTROL, 0o600)
        os.mkfifo(self.path / files.WAKE, 0o600)
        (self.path / files.RESERVE).write_bytes(bytes(files.PAGES * files.PAGE))
        if call:
            self._write(files.CALL, python.encode() + b"\n" + call)
        if token is not None:
            write_token(self.token, token)
        self._write(files.LAUNCH, program.to_bytes())

    @property
    def call(self) -> Path:
        return self.path / files.CALL

    @property
    def token(self) -> Path:
        return self.path / files.TOKEN

    @property
    def log(self) -> Path:
        return self.path / files.LOG

    def open_fifo(self, name: str) -> int:
        """Also for writing, in both processes: so neither sees an end of file when the other is away."""
        return os.open(self.path / name, os.O_RDWR | os.O_NONBLOCK)

    def revoke(self) -> None:
        """A supervisor that has not begun yet shall not."""
        (self.path / files.LAUNCH).unlink(missing_ok=True)

    def owner(self) -> Owner | None:
        try:
            pid, started = (self.path / files.OWNER).read_text().split()
        except FileNotFoundError:
            return None
        return Owner(int(pid), int(started))

    def exit(self) -> Exit | None:
        """How it ended, once the supervisor has written that."""
        try:
            lines = (self.path / files.EXIT).read_text().splitlines()
        except FileNotFoundError:
            return None
        return _exit(dict(line.split(" ", 1) for line in lines), *self._note())

    def complaint(self) -> str:
        """The last line that a supervisor which failed has left, if any."""
        try:
            lines = self.log.read_text(errors="replace").split("\n")
        except FileNotFoundError:
            return ""
        return next((line for line in reversed(lines) if line.strip()), "")

    def drop_secrets(self) -> None:
        for path in (self.call, self.token, self.path / files.LAUNCH):
            path.unlink(missing_ok=True)

    def remove(self) -> None:
        """May be called again."""
        discard(self.path)

    def _write(self, name: str, data: bytes) -> None:
        files.write_atomically(str(self.path / name), data)

    def _note(self) -> tuple[str, str]:
        try:
            text = (self.path / files.NOTE).read_text(errors="replace")
        except FileNotFoundError:
            return "", ""
        kind, _, message = text.partition("\n")
        return kind, message


class SpoolReader:
    """Reads a spool file from its first line on, while it grows."""

    def __init__(self, folder: Folder) -> None:
        self._path = folder.path / files.SPOOL
        self._fd: int | None = None
        self._rest = b""

    def read(self) -> tuple[list[tuple[int, str, str]], bool]:
        """Some lines as (unix microseconds, source, text), and whether there may be more now."""
        if self._fd is None:
            try:
                self._fd = os.open(self._path, os.O_RDONLY)
            except FileNotFoundError:
                return [], False
        data = os.read(self._fd, _SLICE)
        *records, self._rest = (self._rest + data).split(b"\n")
        return list(_lines(records)), len(data) == _SLICE

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _lines(records: list[bytes]) -> Iterator[tuple[int, str, str]]:
    for record in records:
        timestamp, source, data = record.split(b" ", 2)
        yield int(timestamp), _SOURCES[source], data.decode("utf-8", "replace")


def _exit(record: Mapping[str, str], kind: str, message: str) -> Exit:
    peak, stopped, why = int(record["memory_peak"]), record["stopped"] == "1", record.get("why", "")
    message = why or message
    if left := int(record["left"]):
        message = f"{message} ({left} of its processes could not be ended)".strip()
    if "signal" in record:
        number = int(record["signal"])
        return Exit(
            kind=ExitKind.SIGNALED,
            signal=number,
            memory_peak=peak,
            message=message if left or why else "",
            stopped=stopped,
        )
    code = int(record["code"])
    found = ExitKind(kind) if kind and code else ExitKind.EXITED
    return Exit(kind=found, code=code, memory_peak=peak, message=message, stopped=stopped)
