"""A worker's directory is one process's at a time: two would end one another's attempts. It counts them."""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path

from iris_api.errors import PlatformError
from iris_api.rpc.incarnation import next_incarnation

__all__ = ["Claim"]

_log = logging.getLogger("iris.worker")


class Claim:
    """Held from construction to `release`, or to the death of the process. Raises PlatformError naming who
    has it. A record lock, since one of those does not pass to a forked child."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._file = os.open(directory / "worker.pid", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._file, 20, 0).decode() or "?"
            self.release()
            raise PlatformError(f"the worker of {directory} runs already, as process {holder}") from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, str(os.getpid()).encode(), 0)
        self.incarnation = _count(directory / "incarnation")

    def release(self) -> None:
        """Idempotent."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _count(path: Path) -> str:
    """The incarnation of this process, which is noted for the next. A disk that is full or broken costs no
    more than the order: this one is then not known to come after the last."""
    try:
        made = next_incarnation(path.read_text(encoding="utf-8", errors="replace") if path.exists() else "")
        draft = path.with_suffix(".new")
        draft.write_text(made, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        _log.warning("the start of this worker is not counted: %s", error)
        return next_incarnation("")
    return made
