"""KeeperProcess: the process of a keeper, as its worker sees it."""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

import iris_api
from iris_api.errors import PlatformError
from iris_api.supervised import _files as files
from iris_api.supervised.folder import Owner
from iris_backends.docker import _keeper

__all__ = ["KeeperProcess", "Way"]

_KEEP: Final = (
    "import sys; sys.path.append(sys.argv[1]); package = type(sys)('iris_backends.docker'); "
    # Without the package's own __init__, whose imports are not for such a process.
    "package.__path__ = [sys.argv[2]]; sys.modules[package.__name__] = package; "
    "from iris_backends.docker._keeper import main; main(sys.argv[3])"
)
_PACKAGES: Final = str(Path(iris_api.__file__).parents[1])
_HERE: Final = str(Path(__file__).parent)
_SIGNALS: Final = tuple(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
_PATIENCE: Final = 15.0  # seconds for an answer: it may be waiting for the daemon just then
_GLANCE: Final = 0.003  # seconds between looks for one
_PAUSE: Final = 0.05  # seconds
_FIELDS: Final = 9  # of a wish, beside its mark


@frozen
class Way:
    """The port that the keeper listens on, 0 for none, and what is wrong with that."""

    port: int
    trouble: str


class KeeperProcess:
    """That of the folder, whoever has started it; it is no child of this process. Not thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pidfd: int | None = None
        self._marks = (f"{os.getpid()}.{time.monotonic_ns()}.{count}" for count in itertools.count())

    def told(self) -> Sequence[str]:
        """What it was told last, by this worker or the one before; nothing if that is not known."""
        try:
            fields = (self._folder / _keeper.WISH).read_text().split("\0")[1:]
        except FileNotFoundError:
            return ()
        return fields if len(fields) == _FIELDS else ()

    def tell(self, fields: Sequence[str]) -> Way:
        """Have it do this from now on, and start it where it is not there. Raises PlatformError."""
        try:
            return self._answer(self._write(fields))
        except OSError as error:
            raise PlatformError(f"the keeper of containers cannot be told: {error}") from error

    def finish(self, fields: Sequence[str], timeout: float) -> bool:
        """Tell it something after which it ends. Whether it has done that in time. Raises PlatformError."""
        deadline = time.monotonic() + timeout
        try:
            mark = self._write(fields)
            while self.is_up() or (self._folder.exists() and self._state(mark) is None):
                if time.monotonic() >= deadline:
                    return False
                self._rouse()
                self.wait(max(0.0, deadline - time.monotonic()))
        except OSError as error:
            raise PlatformError(f"the keeper of containers cannot be told: {error}") from error
        return True

    def is_up(self) -> bool:
        if not self.wait(0):
            return True
        self.let_go()
        owner = self._owner()
        self._pidfd = owner.open() if owner is not None else None
        return not self.wait(0)  # one that has ended may still have its id

    def wait(self, timeout: float) -> bool:
        """Whether it has ended, within this many seconds."""
        if self._pidfd is None:
            return True
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(timeout * 1000))

    def let_go(self) -> None:
        """Follow it no more; it goes on."""
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None

    @property
    def log(self) -> Path:
        return self._folder / _keeper.LOG

    def _write(self, fields: Sequence[str]) -> str:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkfifo(self._folder / _keeper.CONTROL, 0o600)
        mark = next(self._marks)
        files.write_atomically(str(self._folder / _keeper.WISH), "\0".join((mark, *fields)).encode())
        return mark

    def _answer(self, mark: str) -> Way:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            self._rouse()
            while time.monotonic() < deadline:
                if (way := self._state(mark)) is not None:
                    return way
                if self.wait(_GLANCE):
                    break  # it has ended
        raise PlatformError(
            f"the keeper of containers does not answer within {_PATIENCE:.0f} s; see {self.log}"
        )

    def _rouse(self) -> None:
        """Have it look at what it is told: wake it up, or start it."""
        if not self.is_up():
            self._start()
            if not self.is_up():
                time.sleep(_PAUSE)  # the one before has not ended quite
            return
        fd = os.open(self._folder / _keeper.CONTROL, os.O_RDWR | os.O_NONBLOCK)
        try:
            os.write(fd, b"\n")
        except BlockingIOError:  # it has enough to wake it up
            pass
        finally:
            os.close(fd)

    def _state(self, mark: str) -> Way | None:
        try:
            about, port, trouble = (self._folder / _keeper.STATE).read_text().split("\n", 2)
        except FileNotFoundError:
            return None
        return Way(int(port), trouble) if about == mark else None

    def _owner(self) -> Owner | None:
        try:
            pid, started = (self._folder / _keeper.OWNER).read_text().split()
        except FileNotFoundError:
            return None
        return Owner(int(pid), int(started))

    def _start(self) -> None:
        """The process that is started leaves the keeper behind, and ends."""
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", "-c", _KEEP, _PACKAGES, _HERE, str(self._folder)],
            {},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self.log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigmask=[],
            setsigdef=_SIGNALS,
        )
        with contextlib.suppress(ChildProcessError):  # this process leaves its children to the kernel
            if os.waitpid(pid, 0)[1]:
                raise PlatformError(f"the keeper of containers cannot be started; see {self.log}")
