"""Folder: what is kept of one attempt on the worker's disk, so that the next worker process knows it."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any, Final

import cattrs
from attrs import frozen

from iris_api.credentials import write_token
from iris_api.platform import Exit, ExitKind, Launch
from iris_api.temporary import discard

__all__ = ["Folder", "Order"]

_converter: Final = cattrs.Converter()


@frozen(kw_only=True)
class Order:
    """What must be known of a launch to follow its container. `memory`: its limit, 0 for none."""

    container: str = ""
    is_call: bool = False
    image: str = ""
    output_limit: int = 64 * 2**20
    memory: int = 0


@frozen
class Folder:
    """Below `inside`, what the container sees: the call, the token, and the note that the runner leaves."""

    path: Path

    @property
    def uid(self) -> str:
        return self.path.name

    @property
    def inside(self) -> Path:
        return self.path / "inside"

    @property
    def call(self) -> Path:
        return self.inside / "call"

    @property
    def token(self) -> Path:
        return self.inside / "token"

    def make(self, launch: Launch, owner: tuple[int, int]) -> None:
        """Raises FileExistsError if the attempt has been started before."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o711)
        self.path.mkdir(mode=0o711)
        self.inside.mkdir(mode=0o700)
        if launch.entry.call:
            self.call.write_bytes(launch.entry.python.encode() + b"\n" + launch.entry.call)
        if launch.info.token is not None:
            write_token(self.token, launch.info.token)
        give(self.inside, owner)

    def order(self) -> Order:
        return _converter.structure(self._read("order") or {}, Order)

    def keep_order(self, order: Order) -> None:
        self._write("order", _converter.unstructure(order))

    def keep_stopping(self) -> None:
        """Before the first signal is sent: who dies right behind it leaves word, by the time of this file."""
        with contextlib.suppress(FileExistsError):
            (self.path / "stopping").touch(exist_ok=False)

    def keep_stopped(self) -> None:
        (self.path / "stopped").touch()

    @property
    def stopped(self) -> bool:
        return (self.path / "stopped").exists()

    def was_stopped(self, finished: float) -> bool:
        """Whether one that ended at this time, in Unix seconds, has ended by a signal of a worker."""
        try:
            return self.stopped or (self.path / "stopping").stat().st_mtime <= finished
        except FileNotFoundError:
            return False

    def exit(self) -> Exit | None:
        found = self._read("exit")
        return None if found is None else _converter.structure(found, Exit)

    def keep_exit(self, end: Exit) -> None:
        self._write("exit", _converter.unstructure(end))

    def note(self) -> tuple[ExitKind | None, str]:
        """What the runner of a call has left: the kind of its end, and why."""
        try:
            kind, _, message = (self.inside / "note").read_text(errors="replace").partition("\n")
            return ExitKind(kind), message[:4000]
        except (OSError, ValueError):  # none, or the task has written there
            return None, ""

    def drop_secrets(self) -> None:
        for path in (self.call, self.token):
            path.unlink(missing_ok=True)

    def remove(self) -> None:
        """May be called again."""
        discard(self.path)

    def _read(self, name: str) -> Any:
        try:
            return json.loads((self.path / name).read_text())
        except FileNotFoundError:
            return None

    def _write(self, name: str, value: Any) -> None:
        made = self.path / f"{name}.new"
        made.write_text(json.dumps(value))
        made.rename(self.path / name)


def give(path: Path, owner: tuple[int, int], *, all_below: bool = True) -> None:
    """Let `owner`, a uid and a gid, have a directory. Only root can give to others."""
    if owner == (os.getuid(), os.getgid()):
        return
    os.chown(path, *owner)
    for folder, folders, files in os.walk(path) if all_below else ():
        for name in (*folders, *files):
            os.chown(Path(folder, name), *owner, follow_symlinks=False)
