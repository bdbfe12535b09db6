"""SupervisedRuntime: an attempt as a process group below a supervisor."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import iris_api
from iris_api.errors import JobFault, PlatformError
from iris_api.platform import ExitKind, Interpreter, Launch, LogSink, Runtime, Sandbox
from iris_api.supervised.folder import Folder, Program
from iris_api.supervised.interpreter import interpreter_at
from iris_api.supervised.processes import MARK, kill_strays
from iris_api.supervised.sandbox import SupervisedSandbox
from iris_api.supervised.watcher import Watcher
from iris_api.temporary import make_directory
from iris_api.threads import ThreadContainer

__all__ = ["RUNNER", "SupervisedRuntime"]

_log = logging.getLogger("iris.runtime")

_SUPERVISE: Final = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from iris_api.supervised._supervisor import main; main(sys.argv[2])"
)
_PACKAGES: Final = str(Path(iris_api.__file__).parents[1])
RUNNER: Final = Path(__file__).with_name("_runner.py")  # ``python RUNNER <call> [<packages>]``
_INHERITED: Final = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER")
_SIGNALS: Final = tuple(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})


class SupervisedRuntime(Runtime):
    """With a `directory`, attempts outlive this process and the next one adopts them from there; without,
    they end with it. `python` runs the pickled calls."""

    def __init__(self, directory: Path | None, threads: ThreadContainer, python: str = "") -> None:
        self._bound = directory is None
        self._root = make_directory("sandboxes") if directory is None else directory.absolute()
        self._python = python or sys.executable
        self._threads = threads.child("sandboxes")
        self._watcher = Watcher(self._threads, "sandboxes")
        self._lock = threading.Lock()
        self._sandboxes: dict[str, SupervisedSandbox] = {}
        self._closed = False
        self._lifeline, self._held = os.pipe() if self._bound else (-1, -1)

    def interpreter(self, image: str) -> Interpreter:
        _refuse(image)
        return interpreter_at(self._python, self._path())

    def start(self, launch: Launch) -> Sandbox:
        _refuse(launch.image)
        folder = Folder(self._root / launch.uid)
        try:
            self._prepare(folder, launch)
            return self._follow(folder, launch.output, lambda: self._spawn(folder))
        except FileExistsError as error:
            raise PlatformError(f"attempt {launch.uid} has been started before") from error
        except OSError as error:
            folder.remove()
            raise PlatformError(f"attempt {launch.uid} cannot be started: {error}") from error

    def adopt(self, sink_for: Callable[[str], LogSink]) -> Sequence[SupervisedSandbox]:
        if not self._root.is_dir():
            return ()
        for leftover in self._root.glob(".*"):
            shutil.rmtree(leftover, ignore_errors=True)
        folders = [Folder(path) for path in sorted(self._root.iterdir())]
        kill_strays(self._root, {folder.uid for folder in folders})
        adopted = (self._adopt_or_end(folder, sink_for) for folder in folders)
        return [sandbox for sandbox in adopted if sandbox is not None]

    def forget(self, uid: str) -> None:
        with self._lock:
            sandbox = self._sandboxes.get(uid)
        if sandbox is None:
            Folder(self._root / uid).remove()

    def close(self) -> None:
        """Follow nothing any more. What runs goes on if there is a directory, else it ends."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        if self._bound:
            os.close(self._held)
            self._wait_for_all()
            os.close(self._lifeline)
        self._watcher.close()
        for sandbox in list(self._sandboxes.values()):
            sandbox.let_go()
        self._threads.stop()
        if self._bound:
            shutil.rmtree(self._root, ignore_errors=True)

    def _wait_for_all(self) -> None:
        for sandbox in list(self._sandboxes.values()):
            if sandbox.wait(5.0) is None:
                _log.error("attempt %s has not ended within 5 s", sandbox.uid)

    def _prepare(self, folder: Folder, launch: Launch) -> None:
        is_call = bool(launch.entry.call)
        program = Program(
            argv=(self._python, str(RUNNER), str(folder.call)) if is_call else launch.entry.argv,
            env=self._environment(folder, launch),
            cwd=launch.workdir,
            limit=launch.output_limit,
            bound=self._bound,
            fault=ExitKind.ENVIRONMENT if is_call else ExitKind.EXITED,
            lease=launch.lease,
            controller=launch.info.controller_address,
        )
        folder.create(program, launch.entry.call, launch.entry.python, launch.info.token)

    def _environment(self, folder: Folder, launch: Launch) -> Mapping[str, str]:
        """The job's own values over a few of this process; its identity over both."""
        env = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        env["PATH"] = self._path()
        env["PYTHONUNBUFFERED"] = "1"
        token = {"IRIS_TOKEN_FILE": str(folder.token)} if launch.info.token is not None else {}
        return env | dict(launch.env) | launch.info.to_env() | token | {MARK: str(folder.path)}

    def _path(self) -> str:
        path = os.environ.get("PATH", os.defpath)
        if self._python == sys.executable:  # `python` in a command is the interpreter of the calls
            return f"{Path(sys.executable).parent}{os.pathsep}{path}"
        return path

    def _follow(
        self, folder: Folder, sink: LogSink, process: Callable[[], tuple[int, int | None]]
    ) -> SupervisedSandbox:
        with self._lock:
            if self._closed:
                raise PlatformError("this runtime is closed")
        pid, pidfd = process()
        sandbox = SupervisedSandbox(folder, sink, self._watcher, pid, pidfd, self._ended)
        with self._lock:
            self._sandboxes[folder.uid] = sandbox
        sandbox.follow()
        return sandbox

    def _spawn(self, folder: Folder) -> tuple[int, int | None]:
        lifeline = (os.POSIX_SPAWN_DUP2, self._lifeline, 0)
        nothing = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", "-c", _SUPERVISE, _PACKAGES, str(folder.path)],
            {},
            file_actions=[
                lifeline if self._bound else nothing,
                (os.POSIX_SPAWN_OPEN, 1, str(folder.log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigmask=[],
            setsigdef=_SIGNALS,
        )
        return pid, os.pidfd_open(pid)

    def _adopt_or_end(self, folder: Folder, sink_for: Callable[[str], LogSink]) -> SupervisedSandbox | None:
        """One that cannot be adopted must not keep the worker from the others: it is ended."""
        try:
            return self._adopt(folder, sink_for)
        except (OSError, ValueError):
            _log.exception("attempt %s cannot be adopted and is ended", folder.uid)
            kill_strays(self._root, {path.name for path in self._root.iterdir()} - {folder.uid})
            folder.remove()
            return None

    def _adopt(self, folder: Folder, sink_for: Callable[[str], LogSink]) -> SupervisedSandbox:
        folder.revoke()
        owner = folder.owner()
        pid, pidfd = (0, None) if owner is None else (owner.pid, owner.open())
        return self._follow(folder, sink_for(folder.uid), lambda: (pid, pidfd))

    def _ended(self, uid: str) -> None:
        with self._lock:
            self._sandboxes.pop(uid, None)


def _refuse(image: str) -> None:
    if image:
        raise JobFault(
            f"the job asks for image {image!r}, and this worker runs tasks as processes, which have none: "
            "submit it without, or to a pool whose runtime makes containers"
        )
