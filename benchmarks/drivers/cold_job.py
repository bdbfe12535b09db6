"""From nothing to the first result: a whole cluster in this process, one job. ``RUNTIME`` is the argument."""

from __future__ import annotations

import resource
import sys
import time

import iris.client
from benchmarks.drivers.protocol import answer, answers
from iris.cluster.types import Entrypoint


def main(runtime: str) -> None:
    to = answers()
    wall, cpu = time.perf_counter(), time.process_time()
    client = iris.client.IrisClient.local(runtime=runtime)
    client.submit(name="first", entrypoint=Entrypoint.from_callable(_nothing)).wait(timeout=60.0)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    client.shutdown(wait=True)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    answer(to, {"cpu": cpu, "wall": wall, "children": children.ru_utime + children.ru_stime})


def _nothing() -> None:
    pass


if __name__ == "__main__":
    main(*sys.argv[1:])
