"""Passes TCP connections on, byte for byte. Runs in the keeper: standard library only."""

import os
import resource
import select
import socket
import struct
import sys
import threading
import time

Address = tuple[socket.AddressFamily, tuple[object, ...]]

_CHUNK = 1 << 16
_BACKLOG = 128
_TRIES = 3  # times that a connection is asked for, which takes 15 s in all
_PAUSE = 0.05  # seconds, after what should not happen
_FILES = 2064  # for 1,000 connections
_SPARE = 64  # files of the keeper's own
_FAILED = select.EPOLLERR | select.EPOLLHUP
_RESET = struct.pack("ii", 1, 0)  # of SO_LINGER: closing resets


def listen(host: str, port: int) -> socket.socket:
    """At this port, or another one where that is taken or 0. Raises OSError."""
    try:
        return _listen(host, port)
    except OSError:
        if port == 0:
            raise
        return _listen(host, 0)


def resolve(host: str, port: int) -> "list[Address]":
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]


def most() -> int:
    """How many connections this process may have, which is raised as far as that is allowed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _FILES if most == resource.RLIM_INFINITY else min(most, _FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
    return (files - _SPARE) // 2


class Relay:
    """Accepts at `listener`, and passes on to the first address of `target` that answers. Whoever comes when
    there are `limit` connections is reset, as is everybody while nobody answers."""

    def __init__(self, listener: socket.socket, target: "list[Address]", limit: int) -> None:
        self.target = target
        self.host, self.port = listener.getsockname()[:2]
        self._listener = listener
        self._limit = limit
        self._epoll = select.epoll()
        self._sides: dict[int, _Side] = {}
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(listener, select.EPOLLIN)
        self._epoll.register(self._bell, select.EPOLLIN)
        self._closing = False
        # There is no registry of threads in this process.
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)  # noqa: TID251
        self._thread.start()

    def close(self) -> None:
        """Reset all connections, and listen no more."""
        self._closing = True
        os.eventfd_write(self._bell, 1)
        self._thread.join()
        for side in list(self._sides.values()):
            side.reset()
        self._listener.close()
        self._epoll.close()
        os.close(self._bell)

    def _run(self) -> None:
        while not self._closing:
            try:
                self._turn()
            except Exception:  # one connection must not take the way in from all others
                sys.excepthook(*sys.exc_info())
                time.sleep(_PAUSE)

    def _turn(self) -> None:
        for fd, events in self._epoll.poll():
            side = self._sides.get(fd)
            if fd == self._listener.fileno():
                self._accept()
            elif side is not None:  # else it was closed with the other side of it
                self._serve(side, events)

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError as error:  # it has given up meanwhile, or the machine has no files left
            if not isinstance(error, (BlockingIOError, ConnectionAbortedError)):
                time.sleep(_PAUSE)
            return
        if len(self._sides) >= 2 * self._limit:
            _Side(client).reset()
            return
        self._dial(_Side(client), list(self.target))

    def _dial(self, client: "_Side", addresses: "list[Address]") -> None:
        """Ask the first of these that can be asked for a connection."""
        while addresses:
            family, address = addresses.pop(0)
            try:
                server = _Side(socket.socket(family, socket.SOCK_STREAM))
            except OSError:
                continue
            server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, _TRIES)
            try:
                server.socket.connect(address)
            except BlockingIOError:
                pass
            except OSError:
                server.reset()
                continue
            server.ahead = addresses
            server.other, client.other = client, server
            self._watch(server)
            self._watch(client)
            return
        self._forget(client)
        client.reset()

    def _serve(self, side: "_Side", events: int) -> None:
        other = side.other
        assert other is not None
        try:
            if side.ahead is not None:
                self._dialled(side, other)
            else:
                if events & (select.EPOLLOUT | _FAILED):
                    side.flush()
                if events & (select.EPOLLIN | _FAILED):
                    side.pump(other)
        except Exception as error:
            self._drop(side, other)
            if not isinstance(error, OSError):
                raise
            return
        if side.is_done() and other.is_done():
            self._drop(side, other)
        elif side.socket.fileno() >= 0:
            self._watch(side)
            self._watch(other)

    def _dialled(self, server: "_Side", client: "_Side") -> None:
        """It has answered, or not."""
        ahead, server.ahead = server.ahead, None
        if server.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._forget(server)
            server.reset()
            self._dial(client, ahead or [])

    def _drop(self, side: "_Side", other: "_Side") -> None:
        """Both, without what is still on the way."""
        for one in (side, other):
            self._forget(one)
            if one.is_done():
                one.socket.close()
            else:
                one.reset()

    def _watch(self, side: "_Side") -> None:
        """For what can be done; one that waits for its other side is not watched, or the end of a
        connection would be told again and again."""
        fd, wanted = side.socket.fileno(), side.wants()
        self._sides[fd] = side
        if wanted == side.watched:
            return
        if not side.watched:
            self._epoll.register(fd, wanted)
        elif wanted:
            self._epoll.modify(fd, wanted)
        else:
            self._epoll.unregister(fd)
        side.watched = wanted

    def _forget(self, side: "_Side") -> None:
        fd = side.socket.fileno()
        if side.watched:
            self._epoll.unregister(fd)
            side.watched = 0
        self._sides.pop(fd, None)


class _Side:
    """One end of a connection. `waiting` is to be sent to it; it is read only while nothing waits for the
    other end. `ahead`: it is asked for a connection, and these addresses are left to try."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.other: _Side | None = None
        self.ahead: list[Address] | None = None
        self.waiting = b""
        self.watched = 0
        self._heard_end = False  # it sends no more
        self._told_end = False  # it gets no more
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # One that has vanished without a word, as a container does, is found within two minutes.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4)):
            connection.setsockopt(socket.IPPROTO_TCP, option, value)

    def wants(self) -> int:
        if self.ahead is not None:
            return select.EPOLLOUT
        assert self.other is not None
        may_read = not self._heard_end and not self.other.waiting and self.other.ahead is None
        return (select.EPOLLIN if may_read else 0) | (select.EPOLLOUT if self.waiting else 0)

    def is_done(self) -> bool:
        return self._heard_end and self._told_end

    def pump(self, other: "_Side") -> None:
        """Pass on what has come. Raises OSError."""
        if other.waiting or self._heard_end:
            return
        try:
            data = self.socket.recv(_CHUNK)
        except BlockingIOError:
            return
        if not data:
            self._heard_end = True
        other.waiting = data
        other.flush()

    def flush(self) -> None:
        """Send what waits, and then the end if that has come. Raises OSError."""
        assert self.other is not None
        try:
            while self.waiting:
                self.waiting = self.waiting[self.socket.send(self.waiting) :]
        except BlockingIOError:
            return
        if self.other._heard_end and not self._told_end:
            self._told_end = True
            self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.socket.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    listener.setblocking(False)
    return listener
