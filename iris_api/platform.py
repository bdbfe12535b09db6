"""Platform: somewhere work can be put. It offers machines, a runtime, or both."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from attrs import field, frozen

from iris_api.job_info import JobInfo
from iris_api.jobs import Entry
from iris_api.resources import ResourceSpec

__all__ = [
    "Exit",
    "ExitKind",
    "Interpreter",
    "Launch",
    "Lease",
    "LogSink",
    "Machines",
    "Mount",
    "Platform",
    "Runtime",
    "Sandbox",
    "Slice",
    "SliceRequest",
    "SliceState",
    "Stats",
    "SupportsOnEnd",
]


class LogSink(Protocol):
    """Where a sandbox's output goes. May be called from any thread; never blocks for long."""

    def write(self, source: str, data: str, timestamp_us: int) -> None:
        """One line without its newline; one of more than 64 KiB may come in parts. `source`: stdout |
        stderr | build | log. Unix microseconds."""


@frozen
class Mount:
    """A directory or a file of the worker's machine that the attempt sees at `target`."""

    source: Path
    target: Path
    read_only: bool = True


@frozen(kw_only=True)
class Lease:
    """How long an attempt goes on after its worker has died, in seconds: `grace` while the controller is
    there, which gives the attempt to another worker by then, and `absence` in all."""

    grace: float
    absence: float


@frozen
class Interpreter:
    """What runs the pickled calls. `argv` starts it, as a sandbox sees it; `identity` tells it from others,
    such as its path and version, or the id of its image: packages that were installed for one serve all of
    the same identity. `path` is the PATH of a task whose job gives none; empty where that is not known."""

    argv: tuple[str, ...]
    identity: str
    path: str = ""


@frozen(kw_only=True)
class Launch:
    """One attempt, as a runtime starts it.

    `entry` is an argv or a pickled call. `info` is the identity: a runtime in this process sets it in
    the context, any other puts ``info.to_env()`` and the token's file into the environment.
    `env` is the job's own environment with inheritance applied. `workdir` is a directory of this
    attempt alone, on the worker's machine, with the workspace unpacked in it. `image` is what the job
    asks for, empty: what the runtime has without being asked; one that has no images refuses any other.
    The runtime keeps at most `output_limit` bytes of output, then one line that says so. The sink is
    called until `wait` has returned an Exit, and not after. `lease` None: what outlives its worker goes on.
    """

    uid: str
    entry: Entry
    info: JobInfo
    env: Mapping[str, str] = field(factory=dict, repr=False)
    workdir: Path
    image: str = ""
    mounts: tuple[Mount, ...] = ()
    limits: ResourceSpec = field(factory=ResourceSpec)
    output: LogSink
    output_limit: int = 64 * 2**20
    lease: Lease | None = None


class ExitKind(enum.StrEnum):
    EXITED = "exited"  # with `code`
    SIGNALED = "signaled"  # by `signal`
    RAISED = "raised"  # the callable raised; `message` is its last line
    OUT_OF_MEMORY = "out_of_memory"  # of its own limit, with `memory_peak`
    ENVIRONMENT = "environment"  # nothing of the user's ran: interpreter, workspace or pickle
    ABANDONED = "abandoned"  # a thread that did not stop; it may still run
    UNKNOWN = "unknown"  # it is gone, and nobody saw how


@frozen(kw_only=True)
class Exit:
    """How a sandbox ended. `memory_peak` in bytes, where the runtime can tell. `stopped`: `Sandbox.stop`
    had reached it before it ended; else the exit is its own, although a stop may have been under way.
    `of_job`, of an ENVIRONMENT: what the job asks for is not to be had, such as a package or an image that
    there is not, and the worker is not to blame."""

    kind: ExitKind
    code: int | None = None
    signal: int | None = None
    memory_peak: int | None = None
    message: str = ""
    stopped: bool = False
    of_job: bool = False

    @property
    def success(self) -> bool:
        return self.kind is ExitKind.EXITED and self.code == 0


@frozen
class Stats:
    """`memory` in bytes, `cpu_seconds` since the start; of the whole sandbox."""

    memory: int
    cpu_seconds: float
    processes: int


class Sandbox(ABC):
    """A running attempt. Methods may be called from several threads."""

    uid: str  # of its attempt, as in the launch

    @abstractmethod
    def wait(self, timeout: float | None = None) -> Exit | None:
        """Block up to `timeout` seconds (None: for ever) until all of it is gone and all output is
        in the sink; None on expiry. The same Exit on every later call."""

    @abstractmethod
    def stop(self, grace: float) -> None:
        """Ask it to end, and after `grace` seconds end it, with all that it started. Returns at once;
        idempotent; a shorter grace shortens."""

    def stats(self) -> Stats | None:
        """What it uses now; None where the runtime cannot tell or it has ended."""
        return None

    def exec(self, argv: Sequence[str]) -> tuple[int, bytes]:
        """Run a command inside and return its exit code and output. Raises PlatformError if it cannot."""
        from iris_api.errors import PlatformError

        raise PlatformError(f"this runtime cannot run a command in sandbox {self.uid}")


@runtime_checkable
class SupportsOnEnd(Protocol):
    """A sandbox that tells its end by itself: nobody has to wait for it in a thread."""

    def on_end(self, call: Callable[[Exit], None]) -> None:
        """Have `call` called once with what `wait` returns: when all of it is gone, from any thread; at once
        if it has ended. `call` returns soon and raises nothing."""


class Runtime(ABC):
    """How a worker sandboxes an attempt. Methods may be called from several threads."""

    def wants_workdir(self, entry: Entry) -> bool:
        """Whether an attempt with this entry sees its workdir and may outlive the worker. If not, the
        worker need not make the directory, nor unpack the workspace. Called before `start`."""
        return True

    def interpreter(self, image: str) -> Interpreter | None:
        """What would run the calls of a launch with this `image`; None: a job can have no packages of its
        own here. May block for as long as a start: the image may have to be fetched. Raises PlatformError.
        Its `argv` with a program's arguments is a command that `start` takes."""
        return None

    @abstractmethod
    def start(self, launch: Launch) -> Sandbox:
        """Start an attempt; may block for as long as a process takes to start. A start that fails
        raises PlatformError (the platform's fault; JobFault: what the job asks for is not to be had) or
        returns a sandbox whose Exit is ENVIRONMENT, and leaves nothing behind."""

    def adopt(self, sink_for: Callable[[str], LogSink]) -> Sequence[Sandbox]:
        """What an earlier worker process left running or unreported here. Called once, before the
        first start. The output of each goes to ``sink_for(uid)`` from its first line."""
        return ()

    def forget(self, uid: str) -> None:
        """The attempt's end is acknowledged: remove what is kept of it. Unknown is fine."""


class SliceState(enum.StrEnum):
    CREATING = "creating"  # accepted, and not all of its machines are up
    READY = "ready"  # its machines are up; whether their workers are is seen by their calls
    DELETING = "deleting"  # it is going, and takes no work
    FAILED = "failed"  # it will not come up, or has come down; the core deletes it


@frozen(kw_only=True)
class SliceRequest:
    """`slice_id` is made by the core: a label of at most 57 characters, and `pool` one of at most 63. `size`
    machines are made as one, or none; machine i is worker ``<slice_id>-<i>``. `template` is an instance of
    the class that `Machines.template` names, or None. `resources` of a machine, None: the pool names none."""

    slice_id: str
    pool: str
    size: int = 1
    template: Any = None
    resources: ResourceSpec | None = None


@frozen(kw_only=True)
class Slice:
    """`addresses` of its machines, where known; `message` says why it FAILED."""

    slice_id: str
    pool: str
    state: SliceState
    addresses: tuple[str, ...] = ()
    message: str = ""


class Machines(ABC):
    """Who makes the workers' machines. Methods may be called from several threads; none waits for a
    boot. Failures are NoCapacity (back off), Denied (stop and tell) or PlatformError."""

    template: type[Any] | None = None  # attrs class of a pool's `template` table

    @abstractmethod
    def create(self, request: SliceRequest) -> Slice:
        """Accept a slice, not boot it. The same id again is the same slice."""

    @abstractmethod
    def list(self) -> Sequence[Slice]:
        """Every slice of this cluster, whoever made it: the only source of truth."""

    @abstractmethod
    def delete(self, slice_id: str) -> None:
        """Have it deleted; returns at once. An unknown id is fine, and so is a second time."""


class Platform(ABC):
    """Somewhere work can be put."""

    machines: Machines | None = None  # who makes the workers' machines, if it offers that
    runtime: Runtime | None = None  # how a worker sandboxes an attempt, if it offers that

    @abstractmethod
    def close(self) -> None:
        """Release this object; delete nothing."""
