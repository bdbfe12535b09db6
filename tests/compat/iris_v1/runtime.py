"""Frozen: written for version 1 of the plugin interface, and never to be changed.

Commands as process groups. What there is to know of an attempt is in a folder, for the next worker too.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from attrs import asdict, evolve, frozen
from iris_api.context import Context
from iris_api.errors import PlatformError
from iris_api.hookspecs import hookimpl
from iris_api.jobs import Entry
from iris_api.platform import Exit, ExitKind, Launch, LogSink, Platform, Runtime, Sandbox, Stats
from iris_api.provider import Provider
from iris_api.threads import ThreadContainer

_LOOK = 0.02  # seconds between two looks at the folder of an attempt
_LOOKS = 250  # for what was killed to be gone
_WRAPPER = 'trap : TERM; "$@" >"$0/stdout" 2>"$0/stderr"; echo $? >"$0/code.new"; mv "$0/code.new" "$0/code"'


@frozen(kw_only=True)
class V1RuntimeConfig:
    """`folder` is where the attempts of this machine are."""

    folder: Path = Path("v1")


class V1Sandbox(Sandbox):
    """A thread follows what the group writes into its folder, until it has ended."""

    def __init__(self, folder: Path, sink: LogSink, threads: ThreadContainer) -> None:
        self.uid, self._folder, self._sink = folder.name, folder, sink
        self._plan = json.loads((folder / "plan").read_text())
        self._left: int = self._plan["output_limit"]
        self._lock = threading.Lock()
        self._kill_at = float("inf")
        self._stopped = False
        self._told_all = threading.Event()
        self._exit: Exit | None = None
        threads.spawn(self._follow, f"v1-{self.uid}")

    def wait(self, timeout: float | None = None) -> Exit | None:
        self._told_all.wait(timeout)
        return self._exit

    def stop(self, grace: float) -> None:
        with self._lock:
            if self._told_all.is_set() or self._code() is not None:
                return
            self._stopped = True
            self._kill_at = min(self._kill_at, time.monotonic() + grace)
            self._signal(signal.SIGTERM)

    def stats(self) -> Stats | None:
        return None

    def _follow(self, stop: threading.Event) -> None:
        readers = {name: _Reader(self._folder / name) for name in ("stdout", "stderr")}
        while not stop.is_set():
            ended = self._look()
            for source, reader in readers.items():
                for line in reader.lines(last=ended is not None):
                    self._tell(source, line)
            if ended is not None:
                self._finish(ended)
                return
            stop.wait(_LOOK)

    def _look(self) -> Exit | None:
        """How it has ended, once nothing of it runs."""
        if (self._folder / "exit").exists():
            kept = json.loads((self._folder / "exit").read_text())
            return Exit(**{**kept, "kind": ExitKind(kept["kind"])})
        if time.monotonic() >= self._kill_at:
            self._signal(signal.SIGKILL)
        code = self._code()
        if code is None and self._signal(0):
            return None
        for _ in range(_LOOKS):
            if not self._signal(signal.SIGKILL):
                break
            time.sleep(_LOOK)
        if code is None:
            return Exit(kind=ExitKind.SIGNALED, signal=signal.SIGKILL, stopped=self._stopped)
        return Exit(kind=ExitKind.EXITED, code=code, stopped=self._stopped)

    def _finish(self, end: Exit) -> None:
        draft = self._folder / "exit.new"
        draft.write_text(json.dumps(asdict(end)))
        draft.rename(self._folder / "exit")
        with self._lock:
            self._exit = end
        self._told_all.set()

    def _tell(self, source: str, line: bytes) -> None:
        room, self._left = self._left, self._left - len(line) - 1
        if self._left >= 0:
            self._sink.write(source, line.decode("utf-8", "replace"), time.time_ns() // 1000)
        elif room >= 0:
            self._sink.write("stderr", "[v1: output truncated]", time.time_ns() // 1000)

    def _code(self) -> int | None:
        path = self._folder / "code"
        return int(path.read_text()) if path.exists() else None

    def _signal(self, number: int) -> bool:
        """False if nothing of the group is there."""
        with contextlib.suppress(ChildProcessError):  # an earlier worker's
            os.waitpid(self._plan["pid"], os.WNOHANG)
        try:
            os.killpg(self._plan["pid"], number)
        except ProcessLookupError:
            return False
        return True


class V1Runtime(Runtime):
    """Each attempt is ``<folder>/<uid>``, until it is forgotten."""

    def __init__(self, config: V1RuntimeConfig, context: Context) -> None:
        self._folder = config.folder
        self._threads = context.threads.child("v1-runtime")

    def wants_workdir(self, entry: Entry) -> bool:
        return bool(entry.argv)

    def start(self, launch: Launch) -> Sandbox:
        if launch.image:
            raise PlatformError(f"attempt {launch.uid} wants the image {launch.image}, and here is none")
        if launch.mounts or launch.entry.call:
            raise PlatformError(f"attempt {launch.uid} wants what this runtime does not have")
        if not launch.workdir.is_dir():
            raise PlatformError(f"attempt {launch.uid} cannot be started: there is no {launch.workdir}")
        folder = self._folder / launch.uid
        folder.mkdir(parents=True)
        wrapped = ("/bin/sh", "-c", _WRAPPER, str(folder.resolve()), *launch.entry.argv)
        env = self._env(folder, launch)
        process = subprocess.Popen(wrapped, cwd=launch.workdir, env=env, start_new_session=True)
        process.returncode = 0  # the sandbox waits for it
        plan = {"pid": process.pid, "output_limit": launch.output_limit, "lease": launch.lease is not None}
        (folder / "plan.new").write_text(json.dumps(plan))
        (folder / "plan.new").rename(folder / "plan")
        return V1Sandbox(folder, launch.output, self._threads)

    def adopt(self, sink_for: Callable[[str], LogSink]) -> Sequence[Sandbox]:
        found = sorted(plan.parent for plan in self._folder.glob("*/plan"))
        return [V1Sandbox(folder, sink_for(folder.name), self._threads) for folder in found]

    def forget(self, uid: str) -> None:
        shutil.rmtree(self._folder / uid, ignore_errors=True)

    def close(self) -> None:
        self._threads.stop()

    def _env(self, folder: Path, launch: Launch) -> dict[str, str]:
        info = evolve(launch.info, env=launch.env)
        env = {"PATH": os.environ["PATH"], **launch.env, **info.to_env()}
        if info.token is not None:
            (folder / "token").write_text(info.token.reveal())
            env["IRIS_TOKEN_FILE"] = str((folder / "token").resolve())
        return env


class V1RuntimePlatform(Platform):
    def __init__(self, config: V1RuntimeConfig, context: Context) -> None:
        self._made = V1Runtime(config, context)
        self.runtime = self._made

    def close(self) -> None:
        self._made.close()


class _Reader:
    """Of a file that grows."""

    def __init__(self, path: Path) -> None:
        self._path, self._at, self._rest = path, 0, b""

    def lines(self, *, last: bool) -> Iterator[bytes]:
        """Those that have come since; with `last` also one without an end."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._at)
                data = file.read()
            self._at += len(data)
            *whole, self._rest = (self._rest + data).split(b"\n")
            yield from whole
        if last and self._rest:
            yield self._rest


@hookimpl
def iris_platform() -> Provider[V1RuntimeConfig, Platform]:
    summary = "commands as process groups"
    return Provider(V1RuntimeConfig, V1RuntimePlatform, summary, "tests.compat.iris_v1.conformance")
