"""The lock on a state directory: one controller at a time, and whose it is."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from pathlib import Path

from iris_api.errors import PlatformError

__all__ = ["StateLock"]


class StateLock:
    """Held from construction to `release`, or to the death of the process. Raises PlatformError naming
    the holder's pid, host and address."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = directory / "lock"
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise PlatformError(f"the state in {directory} is in use by {_holder(self._path)}") from None
        try:
            self.note("")
        except OSError:
            self.release()
            raise

    def note(self, address: str) -> None:
        """Tell those who find the directory locked where the holder serves."""
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "address": address}
        text = json.dumps(holder).encode()
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, text, 0)

    def release(self) -> None:
        """Idempotent."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _holder(path: Path) -> str:
    try:
        held = json.loads(path.read_text())
        where = f" at {held['address']}" if held["address"] else ""
        return f"another controller: process {held['pid']} on {held['host']}{where}"
    except (OSError, ValueError, KeyError):
        return "another controller"
