"""Actor calls of Iris: ``serve`` is the stand-alone server, ``call ADDRESS`` the client."""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.drivers.calls import serve_calls
from benchmarks.drivers.protocol import answer, answers
from iris.actor import ActorClient, ActorServer
from iris.actor.resolver import FixedResolver


class Target:
    def noop(self) -> None:
        pass

    def echo(self, value: Any) -> Any:
        return value


class IrisCalls:
    def __init__(self, address: str) -> None:
        self._actor = ActorClient(FixedResolver({"target": address}), "target")
        self.noop = self._actor.noop
        self.echo = self._actor.echo

    def pipelined(self, count: int) -> None:
        for future in [self._actor.noop.remote() for _ in range(count)]:
            future.result(timeout=60.0)


def main(role: str, address: str = "") -> None:
    to = answers()
    if role == "call":
        serve_calls(to, IrisCalls(address))
        return
    with ActorServer(host="127.0.0.1") as server:
        server.register("target", Target())
        answer(to, f"http://127.0.0.1:{server.serve_background()}")
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
