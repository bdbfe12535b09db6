"""Many one-task jobs on a cluster in this process, tasks as threads."""

from __future__ import annotations

import itertools
import time

from benchmarks.drivers.protocol import answers, serve
from iris.client import IrisClient
from iris.cluster.types import Entrypoint


def nothing() -> None:
    pass


def main() -> None:
    to = answers()
    numbers = itertools.count()
    with IrisClient.local(runtime="local") as client:

        def run(count: int) -> dict[str, float]:
            """Submit all from this thread, then wait for all."""
            entrypoint = Entrypoint.from_callable(nothing)
            wall, cpu = time.perf_counter(), time.process_time()
            jobs = [client.submit(name=f"job-{next(numbers)}", entrypoint=entrypoint) for _ in range(count)]
            submitted = time.perf_counter() - wall
            for job in jobs:
                job.wait(timeout=60.0)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            return {"rate": count / wall, "submit": count / submitted, "cpu": cpu / count}

        serve(to, {"run": run})


if __name__ == "__main__":
    main()
