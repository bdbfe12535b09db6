"""A worker's own way of sending output, to the controller at ``HOST PORT TOKEN``."""

from __future__ import annotations

import sys
import time

from benchmarks.drivers.protocol import answers, serve
from iris_api.credentials import Token
from iris_api.rpc.client import RpcClient
from iris_api.threads import get_thread_registry
from iris_worker.logs import AttemptLog, LogPusher


def main(host: str, port: str, token: str) -> None:
    to = answers()
    pusher = LogPusher(RpcClient(f"http://{host}:{port}", Token(token)), lambda: "")

    def push(uid: str, task: str, lines: int) -> float:
        """Seconds from the first line until the controller has all."""
        log = AttemptLog(uid, task, pusher)
        began = time.perf_counter()
        for number in range(lines):
            log.write(
                "stdout", f"line {number} of a task that has much to say, and says it at length", number
            )
        if not log.wait_sent(60.0):
            raise TimeoutError("the output was not taken within a minute")
        return time.perf_counter() - began

    with get_thread_registry().container.child("pusher") as threads:
        threads.spawn_loop(pusher.run, name="logs", on_stop=pusher.wake)
        serve(to, {"push": push})


if __name__ == "__main__":
    main(*sys.argv[1:])
