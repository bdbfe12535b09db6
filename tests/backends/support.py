"""A sink that keeps what it is given, and launches of callables and commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from iris_api.ids import new_uid
from iris_api.job_info import JobInfo
from iris_api.jobs import Entry, Entrypoint
from iris_api.platform import Exit, Launch, Lease, Runtime, Sandbox
from iris_api.testing import wait_for_condition
from iris_api.testing.conformance._tasks import KeptOutput as KeptOutput


class Started:
    """A sandbox with its sink."""

    def __init__(self, sandbox: Sandbox, sink: KeptOutput) -> None:
        self.sandbox = sandbox
        self.sink = sink

    def end(self, timeout: float = 20.0) -> Exit:
        end = self.sandbox.wait(timeout)
        assert end is not None, f"not ended within {timeout} s; its output so far: {self.sink.entries[-20:]}"
        return end

    def line(self, source: str = "stdout", index: int = 0) -> str:
        """A line of its output, as soon as it is there."""
        wait_for_condition(lambda: len(self.sink.of(source)) > index, message=f"line {index} of {source}")
        return self.sink.of(source)[index]


def launch(
    workdir: Path,
    entry: Entry,
    *,
    sink: KeptOutput | None = None,
    env: Mapping[str, str] | None = None,
    output_limit: int = 64 * 2**20,
    lease: Lease | None = None,
    **info: Any,
) -> Launch:
    uid = new_uid()
    return Launch(
        uid=uid,
        entry=entry,
        info=JobInfo(**{"job_id": "job", "attempt_uid": uid, "env": env or {}} | info),
        env=env or {},
        workdir=workdir,
        output=sink or KeptOutput(),
        output_limit=output_limit,
        lease=lease,
    )


def start(
    runtime: Runtime, workdir: Path, what: Callable[..., object] | tuple[str, ...], *args: Any, **options: Any
) -> Started:
    """Start a callable with `args`, or an argv."""
    entrypoint = (
        Entrypoint.from_command(*what) if isinstance(what, tuple) else Entrypoint.from_callable(what, *args)
    )
    sink = KeptOutput()
    if runtime.wants_workdir(entrypoint.entry()):
        workdir.mkdir(exist_ok=True, parents=True)
    return Started(runtime.start(launch(workdir, entrypoint.entry(), sink=sink, **options)), sink)


_WORKER = """
import json, sys, time
from pathlib import Path
from iris_api.context import Context
from iris_api.platform import Lease
from iris_backends.process import ProcessConfig, ProcessPlatform
from tests.backends.support import start

directory, work, code, options = sys.argv[1:]
context = Context(directory=Path(directory) if directory else None)
platform = ProcessPlatform(ProcessConfig(), context)
given = json.loads(options)
if "lease" in given:
    given["lease"] = Lease(**given["lease"])
task = start(platform.runtime, Path(work), ("/bin/sh", "-c", code), **given)
print(task.line(), flush=True)
time.sleep(600)
"""


class KilledWorker:
    """It has started one attempt, has seen its first line, and is killed."""

    def __init__(self, directory: Path | str, work: Path, code: str, **options: object) -> None:
        argv = [sys.executable, "-c", _WORKER, str(directory), str(work), code, json.dumps(options)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            self.first_line = process.stdout.readline().strip()
            process.kill()


def is_alive(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208
