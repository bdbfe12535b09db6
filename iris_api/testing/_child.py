"""A listener in a process of its own, for the conformance kit to call and to kill."""

from __future__ import annotations

import os
import pickle
import sys
import threading
from pathlib import Path

from attrs import frozen

from iris_api.credentials import Token
from iris_api.transport import Bind, Reply, Request

__all__ = ["PROGRAM", "Orders", "main"]

PROGRAM = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer);"
    " from iris_api.testing._child import main; main()"
)


@frozen
class Orders:
    """`made_by` is the pickle of what makes the transport; the answers go to files in `folder`."""

    made_by: bytes
    host: str
    port: int
    token: str
    folder: Path


def main() -> None:
    """Listen as stdin orders, write the address down, and end with stdin."""
    orders: Orders = pickle.load(sys.stdin.buffer)
    bind = Bind(host=orders.host, port=orders.port, token=Token(orders.token))
    listener = pickle.loads(orders.made_by)().listen(_Served(orders.folder), bind)
    draft = orders.folder / "address.new"
    draft.write_text(f"{listener.port} {listener.address}")
    draft.rename(orders.folder / "address")
    sys.stdin.buffer.read()
    os._exit(0)


class _Served:
    def __init__(self, folder: Path) -> None:
        self._marks = folder / "marks"

    def __call__(self, request: Request) -> Reply:
        if request.method == "hang":
            with self._marks.open("a") as file:
                file.write("x")
            threading.Event().wait()
        if request.method == "pid":
            return Reply(str(os.getpid()).encode())
        return Reply(request.head, request.buffers)
