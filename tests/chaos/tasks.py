"""What the tasks of these tests run: light, so that a process starts fast.

Each first writes its attempt's uid to the file `ran`, so that it shows what has run at all, and how often.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

__all__ = ["Counter", "announces", "calls", "family", "prints", "serve"]


def note(ran: str) -> str:
    """Append this attempt to the file; one write, so that none is torn."""
    uid = os.environ["IRIS_ATTEMPT_UID"]
    fd = os.open(ran, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, f"{uid}\n".encode())
    os.close(fd)
    return uid


def prints(ran: str, count: int) -> None:
    note(ran)
    for number in range(count):
        print(f"called {number}")


def family(ran: str, folder: str) -> None:
    """Submit two children that would live on, and one that ends, then end: all that lives ends with this."""
    from iris.client import iris_ctx
    from iris.cluster.types import Entrypoint

    note(ran)
    client = iris_ctx().client
    for number in range(2):
        script = f"echo $IRIS_ATTEMPT_UID >> {ran}; exec sleep 600"
        client.submit(name=f"stays-{number}", entrypoint=Entrypoint.from_command("sh", "-c", script))
    ends = client.submit(
        name="ends", entrypoint=Entrypoint.from_command("sh", "-c", f"echo $IRIS_ATTEMPT_UID >> {ran}")
    )
    ends.wait(timeout=120)
    Path(folder).touch()


def announces(ran: str, name: str) -> None:
    """Register an endpoint, and find it again."""
    from iris.client import iris_ctx

    note(ran)
    address = f"http://127.0.0.1:{os.getpid()}"
    ctx = iris_ctx()
    ctx.registry.register(name, address)
    (endpoint,) = ctx.resolver.resolve(name)
    print(endpoint.address == address)


class Counter:
    """An actor whose calls take a while and are counted, so that a call that runs twice is seen."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    def bump(self, pause: float) -> tuple[str, int, int]:
        """Its attempt, its process, and how many calls have run, this one included."""
        threading.Event().wait(pause)
        with self._lock:
            self._count += 1
            return os.environ["IRIS_ATTEMPT_UID"], os.getpid(), self._count


def serve(ran: str, name: str, end: str) -> None:
    """Serve a counter until the file `end` is there."""
    from iris.actor import ActorServer

    note(ran)
    with ActorServer() as server:
        server.register(name, Counter())
        server.serve_background()
        while not Path(end).exists():
            threading.Event().wait(0.2)


def calls(ran: str, name: str, ready: str, go: str) -> None:
    """Call a counter, and once more when the file `go` is there; tell of each."""
    from iris.actor import ActorClient
    from iris.client import iris_ctx

    note(ran)
    actor = ActorClient(iris_ctx().resolver, name, timeout=20.0)
    actor.bump(0.0)
    Path(ready).touch()
    while not Path(go).exists():
        threading.Event().wait(0.1)
    threading.Event().wait(1.5)  # longer than an answer of the controller is used
    actor.bump(0.0)
    Path(f"{ready}.again").touch()
