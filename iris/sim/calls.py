"""Calls over the simulated network: what stands in for the sockets of HttpPool."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Final

from iris.sim.network import Network
from iris.sim.server import SimServer
from iris_api.credentials import Token
from iris_api.errors import DeadlineExceeded, Lost, NotSent, TransportError
from iris_api.rpc.connection import Body, Response
from iris_api.rpc.http import DEFAULT_LIMIT, split_address
from iris_api.rpc.version import VERSION
from iris_api.testing.sim import Process, Waiter

__all__ = ["Call", "Fate", "pool_on"]

_CONNECT: Final = 10.0  # seconds, as HttpPool


class Fate(enum.Enum):
    ARRIVES = "arrives"
    RESET_BEFORE = "reset before it arrives"
    RESET_AFTER = "reset after it was carried out"
    NO_REQUEST = "hangs before it arrives"
    NO_REPLY = "hangs after it was carried out"


class Call:
    """One request on its way, and what came of it. `hang_up`: nobody waits for the reply any more."""

    def __init__(
        self, network: Network, server: SimServer, path: str, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> None:
        self.network, self.server = network, server
        self.path, self.headers, self.body = path, headers, body
        self.client: Process | None = network.kernel.current
        self.fate = Fate.ARRIVES
        self.response: Response | None = None
        self.error: TransportError | None = None
        self.gone: Callable[[], None] | None = None  # tells the server
        self._waiter = Waiter(network.kernel)

    def wait(self, seconds: float) -> bool:
        return self.network.kernel.park(self._waiter, seconds)

    def fail(self, error: TransportError) -> None:
        if self.response is None and self.error is None:
            self.error = error
            self._waiter.wake()

    def finish(self, response: Response) -> None:
        if self.response is None and self.error is None:
            self.response = response
            self._waiter.wake()

    def reply(self, response: Response) -> None:
        """On the server's side: send it back, unless the connection is gone."""
        assert self.client is not None
        source = self.server.process.host
        if self.fate is Fate.NO_REPLY:
            return
        if self.fate is Fate.RESET_AFTER:
            self.network.transmit(source, self.client, lambda: self.fail(self._reset()))
        else:
            self.network.transmit(source, self.client, lambda: self.finish(response))

    def hang_up(self) -> None:
        if self.client is not None and self.fate not in (Fate.NO_REQUEST, Fate.NO_REPLY):
            self.network.transmit(self.client.host, self.server.process, self._tell_server)

    def reset(self) -> None:
        """The server's process has died; its machine says so."""
        if self.client is not None and self.fate in (Fate.ARRIVES, Fate.RESET_AFTER):
            self.network.transmit(self.server.process.host, self.client, lambda: self.fail(self._reset()))

    def _tell_server(self) -> None:
        if self.gone is not None:
            self.gone()

    def _reset(self) -> Lost:
        return Lost(f"{self.path}: connection reset by peer, nothing received after the request was sent")


class SimHttpPool:
    """As iris_api.rpc.http.HttpPool, of which it raises the errors."""

    network: Network

    def __init__(self, address: str, token: Token | None = None, *, limit: int = DEFAULT_LIMIT) -> None:
        self.address = address.rstrip("/")
        self._host, self._port = split_address(address)
        self._token = token
        self._closed = False
        self._server: SimServer | None = None  # to which there is an idle connection
        self._busy: dict[Call, None] = {}

    def post(self, path: str, parts: Sequence[Body], *, content_type: str, timeout: float) -> Response:
        network, label = self.network, self.address + path
        process = network.kernel.current
        assert process is not None
        began = process.host.mono()
        server = self._connect(process, began + timeout, label)
        call = Call(network, server, path, self._headers(content_type, timeout), b"".join(parts))
        call.fate = _fate(network)
        self._busy[call] = network.calls_of(process)[call] = None
        try:
            self._send(call, process)
            answered = call.wait(began + timeout - process.host.mono())
        finally:
            self._busy.pop(call, None)
            network.calls_of(process).pop(call, None)
        network.kernel.trace(
            "call", process.name, path.rpartition("/")[2], call.fate.name, *_outcome(call, answered)
        )
        if not answered:
            self._server = None
            call.hang_up()
            raise DeadlineExceeded(f"{label}: no reply within {timeout:.2f} s")
        if call.error is not None:
            self._server = None
            raise call.error
        assert call.response is not None
        self._server = server
        return call.response

    def close(self) -> None:
        self._closed = True
        for call in list(self._busy):
            call.fail(Lost(f"{call.path}: this client is closed"))

    def _send(self, call: Call, process: Process) -> None:
        network = self.network
        if call.fate is Fate.RESET_BEFORE:
            network.kernel.after(network.delay(), lambda: call.fail(call._reset()), process)
        elif call.fate is not Fate.NO_REQUEST:
            network.transmit(process.host, call.server.process, lambda: call.server.accept(call))
            if not call.server.process.alive:  # the connection was thought to be sound
                call.reset()

    def _connect(self, process: Process, deadline: float, label: str) -> SimServer:
        """The server to which there is a connection now. Raises NotSent."""
        network, kernel, host = self.network, self.network.kernel, process.host
        if self._closed:
            raise NotSent(f"{label}: this client is closed")
        target = network.host(self._host)
        idle, self._server = self._server, None
        if idle is not None and (idle.process.alive or not network.reaches(target, host)):
            return idle
        if not network.reaches(host, target):
            kernel.sleep(min(_CONNECT, max(0.0, deadline - host.mono())))
            raise NotSent(f"{label}: cannot connect: timed out")
        took, left = network.delay() + network.delay(), max(0.0, deadline - host.mono())
        kernel.sleep(min(took, left))
        if took > left:
            raise NotSent(f"{label}: cannot connect: timed out")
        server = network.listeners.get((self._host, self._port))
        if server is None or not server.process.alive:
            raise NotSent(f"{label}: cannot connect: Connection refused")
        if self._closed:
            raise NotSent(f"{label}: this client is closed")
        return server

    def _headers(self, content_type: str, timeout: float) -> list[tuple[bytes, bytes]]:
        headers = [
            (b"host", f"{self._host}:{self._port}".encode()),
            (b"content-type", content_type.encode()),
            (b"iris-version", VERSION.encode()),
            (b"connect-timeout-ms", b"%d" % (int(timeout * 1000) + 1)),
        ]
        if self._token is not None:
            headers.append((b"authorization", f"Bearer {self._token.reveal()}".encode()))
        return headers


def pool_on(network: Network) -> type[SimHttpPool]:
    """The class to put in HttpPool's place."""
    return type("SimHttpPool", (SimHttpPool,), {"network": network})


def _fate(network: Network) -> Fate:
    weather, dice = network.weather, network.random
    if not (weather.reset or weather.hang):
        return Fate.ARRIVES
    roll = dice.random()
    if roll < weather.reset:
        return dice.choice((Fate.RESET_BEFORE, Fate.RESET_AFTER))
    if roll < weather.reset + weather.hang:
        return dice.choice((Fate.NO_REQUEST, Fate.NO_REPLY))
    return Fate.ARRIVES


def _outcome(call: Call, answered: bool) -> tuple[object, ...]:
    if not answered:
        return ("deadline",)
    if call.error is not None:
        return (type(call.error).__name__,)
    assert call.response is not None
    return call.response.status, len(call.response.body)
