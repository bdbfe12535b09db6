"""A relay between a client and a server that cuts the connection at a word, as a network might."""

from __future__ import annotations

import contextlib
import enum
import select
import socket
import threading

from iris_api.threads import ThreadContainer

__all__ = ["Cut", "Relay"]


class Cut(enum.Enum):
    BEFORE = "the word does not get through; both ends are told"
    AFTER = "the word gets through, its answer does not; both ends are told"
    HALF = "the word gets through, its answer does not; only the client is told"


class Relay:
    """Passes on what is said to `target`, a port of loopback, until it is told to cut."""

    def __init__(self, target: int, threads: ThreadContainer) -> None:
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._peer: dict[socket.socket, socket.socket] = {}
        self._clients: set[socket.socket] = set()
        self._abandoned: list[socket.socket] = []
        self._armed: tuple[bytes, Cut] | None = None
        self._paused = False
        threads.spawn(self._run, "relay")

    def arm(self, word: bytes, how: Cut) -> None:
        """Cut the connection on which a client says `word` next."""
        self._armed = (word, how)

    def _run(self, stop: threading.Event) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(self._close)
            while not stop.is_set():
                ready, _, _ = select.select([self._server, *self._peer], [], [], 0.02)
                for one in ready:
                    if one is self._server:
                        self._accept()
                    elif one in self._peer:
                        self._pass_on(one)

    def pause(self) -> None:
        """New connections are not served until `resume`."""
        self._paused = True

    def resume(self) -> None:
        self._paused = False

    def _accept(self) -> None:
        client, _ = self._server.accept()
        if self._paused:
            client.close()
            return
        server = socket.create_connection(("127.0.0.1", self._target))
        self._peer |= {client: server, server: client}
        self._clients.add(client)

    def _pass_on(self, source: socket.socket) -> None:
        try:
            data = source.recv(2**16)
            if not data:
                self._drop(source)
            elif self._armed is not None and source in self._clients and self._armed[0] in data:
                self._cut(source, data, self._armed[1])
            else:
                self._peer[source].sendall(data)
        except OSError:
            self._drop(source)

    def _cut(self, client: socket.socket, data: bytes, how: Cut) -> None:
        self._armed = None
        server = self._peer[client]
        if how is not Cut.BEFORE:
            server.sendall(data)
            assert server.recv(2**16)  # it has been done, and nobody hears of it
        if how is Cut.HALF:
            self._peer.pop(server)
            self._peer.pop(client)
            self._abandoned.append(server)
            client.close()
        else:
            self._drop(client)

    def _drop(self, one: socket.socket) -> None:
        other = self._peer.pop(one)
        self._peer.pop(other, None)
        self._clients -= {one, other}
        one.close()
        other.close()

    def _close(self) -> None:
        for one in (self._server, *self._peer, *self._abandoned):
            one.close()
