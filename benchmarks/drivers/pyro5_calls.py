"""Actor calls of Pyro5: ``serve`` is the daemon, ``call URI SERIALIZER`` the client."""

from __future__ import annotations

import sys
import threading
from typing import Any

import numpy as np
import Pyro5.api  # type: ignore[import-not-found]
import serpent  # type: ignore[import-not-found]

from benchmarks.drivers.calls import serve_calls
from benchmarks.drivers.protocol import answer, answers


@Pyro5.api.expose
class Target:
    def noop(self) -> None:
        pass

    def echo(self, value: Any) -> Any:
        return value


class PyroCalls:
    def __init__(self, uri: str) -> None:
        self._proxy = Pyro5.api.Proxy(uri)
        self.noop = self._proxy.noop

    def echo(self, value: Any) -> Any:
        """As bytes: no serializer of Pyro5 knows arrays, and serpent turns even bytes into a dict."""
        return np.frombuffer(serpent.tobytes(self._proxy.echo(value.tobytes())))

    def pipelined(self, count: int) -> None:
        """Pyro5 has no futures; the nearest is a batch, sent when it is complete."""
        batch = Pyro5.api.BatchProxy(self._proxy)
        for _ in range(count):
            batch.noop()
        for _ in batch():
            pass


def main(role: str, uri: str = "", serializer: str = "") -> None:
    to = answers()
    if role == "call":
        Pyro5.config.SERIALIZER = serializer
        serve_calls(to, PyroCalls(uri))
        return
    daemon = Pyro5.api.Daemon(host="127.0.0.1")
    answer(to, str(daemon.register(Target)))
    threading.Thread(target=daemon.requestLoop, daemon=True).start()  # noqa: TID251 - Iris is not installed here
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
