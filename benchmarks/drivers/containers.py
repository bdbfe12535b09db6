"""Jobs in containers on the cluster at ``ADDRESS``, the argument."""

from __future__ import annotations

import sys
import time

from benchmarks.drivers.protocol import answers, serve
from iris.client import IrisClient, Job
from iris.cluster.types import Entrypoint, ResourceSpec

_PROGRAM = "import time; print(time.time())"
_PRINT = "awk 'BEGIN {{ for (i = 0; i < {count}; i++) printf \"%049d\\n\", i }}'"
_SMALL = ResourceSpec(cpu=0.1)


def tell_time() -> None:
    print(time.time())


class Jobs:
    def __init__(self, address: str) -> None:
        self._client = IrisClient.remote(address)
        self._count = 0
        self._held: Job | None = None

    def line(self, kind: str) -> float:
        """Seconds from just before the submit to the first line of the task's code."""
        command = Entrypoint.from_command("python3", "-c", _PROGRAM)
        began = time.time()
        job = self._submit(Entrypoint.from_callable(tell_time) if kind == "callable" else command)
        job.wait(timeout=60.0)
        (line,) = (entry.data for entry in job.tasks()[0].logs() if entry.source == "stdout")
        return float(line) - began

    def together(self, count: int) -> float:
        """Seconds from just before the submit until all have ended."""
        began = time.monotonic()
        job = self._submit(Entrypoint.from_command("python3", "-c", "pass"), replicas=count)
        job.wait(timeout=120.0)
        return time.monotonic() - began

    def logs(self, count: int) -> tuple[float, int]:
        """Seconds from the first line to the job's end, and how many lines are not as they were printed."""
        job = self._submit(Entrypoint.from_command("sh", "-c", _PRINT.format(count=count)))
        job.wait(timeout=240.0)
        ended = time.time()
        lines = list(job.tasks()[0].logs())
        wrong = sum(entry.data != f"{index:049d}" for index, entry in enumerate(lines))
        return ended - lines[0].timestamp.timestamp(), wrong + abs(count - len(lines))

    def hold(self, count: int) -> None:
        """Containers that wait."""
        self._held = self._submit(Entrypoint.from_command("sleep", "600"), replicas=count)
        while not all(task.state.name == "RUNNING" for task in self._held.tasks()):
            time.sleep(0.2)

    def release(self) -> None:
        if self._held is not None:
            self._held.terminate()

    def _submit(self, entrypoint: Entrypoint, replicas: int = 1) -> Job:
        self._count += 1
        return self._client.submit(
            name=f"containers-{self._count}", entrypoint=entrypoint, resources=_SMALL, replicas=replicas
        )


def main(address: str) -> None:
    to = answers()
    jobs = Jobs(address)
    serve(
        to,
        {
            "line": jobs.line,
            "together": jobs.together,
            "logs": jobs.logs,
            "hold": jobs.hold,
            "release": jobs.release,
        },
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
