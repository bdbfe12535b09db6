"""When the first line of a process task's code runs, on the cluster at ``ADDRESS``, the argument."""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks.drivers.protocol import answers, serve
from iris.client import IrisClient
from iris.cluster.types import Entrypoint

_PROGRAM = "import time; print(time.time())"


def tell_time() -> None:
    print(time.time())


def main(address: str) -> None:
    to = answers()
    client = IrisClient.remote(address)
    count = 0

    def job(entrypoint: Entrypoint) -> float:
        """Seconds from just before the submit."""
        nonlocal count
        count += 1
        began = time.time()
        job = client.submit(name=f"line-{count}", entrypoint=entrypoint)
        job.wait(timeout=60.0)
        (line,) = (entry.data for entry in job.tasks()[0].logs() if entry.source == "stdout")
        return float(line) - began

    def interpreter() -> float:
        began = time.time()
        done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True)
        return float(done.stdout) - began

    commands = {
        "callable": lambda: job(Entrypoint.from_callable(tell_time)),
        "command": lambda: job(Entrypoint.from_command(sys.executable, "-c", _PROGRAM)),
        "interpreter": interpreter,
    }
    serve(to, commands)


if __name__ == "__main__":
    main(*sys.argv[1:])
