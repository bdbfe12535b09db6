"""ThreadRuntime: callables as threads of this process, commands as supervised processes."""

from __future__ import annotations

import threading

from iris_api.errors import JobFault, PlatformError
from iris_api.jobs import Entry
from iris_api.platform import Launch, Runtime, Sandbox
from iris_api.supervised.runtime import SupervisedRuntime
from iris_api.threads import ThreadContainer
from iris_backends.local._sandbox import ThreadSandbox

__all__ = ["ThreadRuntime"]


_LEFT = 0.5  # seconds for what has been stopped and given up already


class ThreadRuntime(Runtime):
    """What it starts ends with this process; there is nothing to adopt."""

    def __init__(self, threads: ThreadContainer) -> None:
        self._threads = threads.child("tasks")
        self._lock = threading.Lock()
        self._commands: SupervisedRuntime | None = None

    def wants_workdir(self, entry: Entry) -> bool:
        """A thread has the working directory of its process."""
        return bool(entry.argv)

    def start(self, launch: Launch) -> Sandbox:
        if launch.entry.argv:
            return self._for_commands().start(launch)
        if launch.image:
            raise JobFault(
                f"the job asks for image {launch.image!r}, and this worker runs calls in its own process: "
                "submit it without, or to a pool whose runtime makes containers"
            )
        try:
            return ThreadSandbox(launch, self._threads)
        except RuntimeError as error:
            raise PlatformError(f"attempt {launch.uid} cannot be started: {error}") from error

    def forget(self, uid: str) -> None:
        with self._lock:
            commands = self._commands
        if commands is not None:
            commands.forget(uid)

    def close(self) -> None:
        """End what runs. Bounded: a thread that heeds nothing is logged and left."""
        with self._lock:
            commands = self._commands
        if commands is not None:
            commands.close()
        self._threads.stop(_LEFT)

    def _for_commands(self) -> SupervisedRuntime:
        with self._lock:
            if self._commands is None:
                self._commands = SupervisedRuntime(None, self._threads)
            return self._commands
