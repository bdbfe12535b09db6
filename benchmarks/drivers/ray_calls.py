"""Actor calls of Ray: this process is the driver, the actor is in a worker that Ray starts."""

from __future__ import annotations

import os
import sys
from typing import Any

import ray  # type: ignore[import-not-found]

from benchmarks.drivers.calls import serve_calls
from benchmarks.drivers.protocol import answers


class Target:
    def noop(self) -> None:
        pass

    def echo(self, value: Any) -> Any:
        return value

    def niceness(self) -> int:
        return os.nice(0)


class RayCalls:
    def __init__(self) -> None:
        self._actor = ray.remote(Target).remote()

    def noop(self) -> None:
        ray.get(self._actor.noop.remote())

    def echo(self, value: Any) -> Any:
        return ray.get(self._actor.echo.remote(value))

    def pipelined(self, count: int) -> None:
        ray.get([self._actor.noop.remote() for _ in range(count)])

    def niceness(self) -> int:
        nice: int = ray.get(self._actor.niceness.remote())
        return nice


def main(directory: str) -> None:
    to = answers()
    ray.init(
        address="local",
        num_cpus=2,
        object_store_memory=300 * 2**20,
        include_dashboard=False,
        configure_logging=False,
        _temp_dir=directory,
    )
    try:
        calls = RayCalls()
        serve_calls(to, calls, niceness=calls.niceness)
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
