"""The floor: 64 bytes there and back over a loopback TCP connection, blocking, nothing around them."""

from __future__ import annotations

import socket
import sys

from benchmarks.drivers.calls import serve_calls
from benchmarks.drivers.protocol import answer, answers

_SIZE = 64


class SocketCalls:
    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def noop(self) -> None:
        self._socket.sendall(bytes(_SIZE))
        self._socket.recv(_SIZE, socket.MSG_WAITALL)

    def echo(self, value: object) -> object:
        raise NotImplementedError

    def pipelined(self, count: int) -> None:
        raise NotImplementedError


def main(role: str, port: str = "") -> None:
    to = answers()
    if role == "call":
        serve_calls(to, SocketCalls(int(port)))
        return
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answer(to, str(listener.getsockname()[1]))
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := connection.recv(_SIZE, socket.MSG_WAITALL):
            connection.sendall(data)


if __name__ == "__main__":
    main(*sys.argv[1:])
