"""What tasks in containers do. They get it by value: an image has none of these tests."""

from __future__ import annotations

import http.server
import os
import socket
import threading
import time
from pathlib import Path

__all__ = ["Where", "ask", "breed", "fill", "has_child", "parent", "publish", "serve", "where"]


def where() -> str:
    """A container is a host of its own."""
    return socket.gethostname()


class Where:
    """An actor that tells where it is."""

    def tell(self) -> str:
        return where()


def serve(name: str, end: str) -> None:
    """Until the file `end` is there."""
    from iris.actor import ActorServer

    with ActorServer() as server:
        server.register(name, Where())
        server.serve_background()
        print("serves", where())
        while not Path(end).exists():
            threading.Event().wait(0.1)


def ask(name: str) -> None:
    """Print where an actor is, and where this is."""
    from iris.actor import ActorClient
    from iris.client import iris_ctx

    print(ActorClient(iris_ctx().resolver, name, timeout=20.0).tell(), where())


def publish(port: str) -> None:
    """Answer requests at the named port with the name of the host."""
    from iris.client import iris_ctx

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(where().encode())

    number = iris_ctx().get_port(port)
    with http.server.ThreadingHTTPServer(("", number), Answer) as server:
        print(number)
        server.serve_forever()


def has_child() -> None:
    """Submit a job from here, wait for it, and tell what it said."""
    from iris.client import iris_ctx
    from iris.cluster.types import Constraint, Entrypoint

    child = iris_ctx().client.submit(
        name="child",
        entrypoint=Entrypoint.from_callable(lambda: print(socket.gethostname())),
        constraints=[Constraint("pool", "EQ", "default")],
    )
    child.wait(timeout=30)
    print(where(), *(entry.data for entry in child.tasks()[0].logs()))


def parent(end: str) -> None:
    """Submit a child that would live on; end with the file `end`."""
    from iris.client import iris_ctx
    from iris.cluster.types import Constraint, Entrypoint

    iris_ctx().client.submit(
        name="child",
        entrypoint=Entrypoint.from_command("sleep", "600"),
        constraints=[Constraint("pool", "EQ", "default")],
    )
    while not Path(end).exists():
        threading.Event().wait(0.1)


def fill() -> None:
    """Take more and more memory."""
    held = []
    while True:
        held.append(b"x" * 2**20)


def breed(wanted: int) -> None:
    """Try to have as many processes; print how many there were at most."""
    children = []
    for _ in range(wanted):
        try:
            child = os.fork()
        except BlockingIOError:
            break
        if not child:
            time.sleep(600)
        children.append(child)
    print(len(children))
