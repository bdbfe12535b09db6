"""What a call ends with that brings no reply, and who is let in."""

from __future__ import annotations

import secrets
import select
import socket
import time
from collections.abc import Callable, Sequence

import pytest

from iris_api.credentials import new_token
from iris_api.errors import DeadlineExceeded, IrisError, Lost, NotSent, PlatformError, Refused
from iris_api.testing.conformance._served import (
    Caller,
    Connect,
    Listen,
    Service,
    both_ways,
    request,
)
from iris_api.testing.conformance.base import needs
from iris_api.transport import Bind, Channel, Listener, Transport

__all__ = ["FailureRules"]


class FailureRules:
    @both_ways
    @pytest.mark.parametrize("code", ["not_found", "unimplemented", "aborted", "resource_exhausted"])
    def test_refused(self, channel: Channel, caller: Caller, way: str, code: str) -> None:
        """What the handler refuses is Refused at the caller, with the same code and message."""
        error = caller.error(way, channel, request("refuse", code.encode()))
        assert isinstance(error, Refused), f"it ended with {error!r}"
        assert error.code == code
        assert "not for you" in error.message

    @both_ways
    def test_broken_handler(self, channel: Channel, caller: Caller, service: Service, way: str) -> None:
        """A handler that raises anything else may have done its work: Lost, and never sent again."""
        error = caller.error(way, channel, request("break"))
        caller.do(way, channel, request("echo"))
        assert isinstance(error, Lost), f"it ended with {error!r}"
        assert not isinstance(error, DeadlineExceeded)
        assert service.count("break") == 1

    @both_ways
    def test_nobody_listens(self, listen: Listen, connect: Connect, caller: Caller, way: str) -> None:
        """Where nobody listens, a channel is made all the same, and its calls are NotSent at once."""
        listener = listen()
        listener.close()
        error = caller.begin(way, connect(listener.address), request("echo")).exception(caller.prompt)
        assert isinstance(error, NotSent), f"it ended with {error!r}"

    @both_ways
    @pytest.mark.parametrize("stranger", ["with another token", "without a token"])
    def test_strangers(
        self, make_transport: Callable[[], Transport], listener: Listener, caller: Caller, service: Service,
        way: str, stranger: str,
    ) -> None:  # fmt: skip
        """Whoever does not show the listener's token is refused, and no handler runs."""
        token = new_token() if stranger == "with another token" else None
        channel = make_transport().connect(listener.address, token)
        try:
            error = caller.error(way, channel, request("echo"))
        finally:
            channel.close()
        assert isinstance(error, Refused), f"it ended with {error!r}"
        assert error.code in ("unauthenticated", "permission_denied")
        assert service.seen == []

    @both_ways
    def test_channel_close(self, channel: Channel, caller: Caller, service: Service, way: str) -> None:
        """Closing a channel ends its pending calls with Lost or NotSent, and later ones are NotSent."""
        pending = caller.begin(way, channel, request("wait"))
        service.begun()
        channel.close()
        channel.close()
        error = pending.exception(caller.prompt)
        assert isinstance(error, Lost | NotSent), f"it ended with {error!r}"
        assert not isinstance(error, DeadlineExceeded)
        assert isinstance(caller.error(way, channel, request("echo")), NotSent)
        assert service.count("echo") == 0

    @needs("sockets")
    def test_garbage(
        self, listener: Listener, connect: Connect, caller: Caller, service: Service, host: str
    ) -> None:
        """A client that sends nonsense, half of something or nothing harms neither others nor the close."""
        channel = connect(listener.address)
        caller.do("call", channel, request("echo"))
        nonsense = (
            secrets.token_bytes(100_000),
            b"GET /\r\n\r\n",
            b"\0" * 9,
            b"\xff\xff\xff\xff\xff",
            b"P",
            b"",
        )
        rude = [socket.create_connection((host, listener.port), caller.prompt) for _ in nonsense * 2]
        try:
            for one, data in zip(rude, nonsense * 2, strict=True):
                _send(one, data)
            _await_reactions(rude, 1.5)
            for one in rude[::2]:
                one.close()
            assert [bytes(caller.do("submit", channel, request("echo", b"x")).head) for _ in range(20)] == [
                b"x"
            ] * 20
            fresh = connect(listener.address)
            assert bytes(caller.do("call", fresh, request("echo", b"y")).head) == b"y"
            assert service.count("echo") == 22
            caller.aside(listener.close).result(2 * caller.prompt)
        finally:
            for one in rude:
                one.close()

    @needs("sockets")
    def test_foreign_host_needs_a_token(
        self, make_transport: Callable[[], Transport], service: Service
    ) -> None:
        """Listening beyond this machine without a token is refused."""
        with pytest.raises(IrisError):
            make_transport().listen(service, Bind(host="0.0.0.0", token=None)).close()

    def test_port_in_use(self, listener: Listener, listen: Listen) -> None:
        """A port that cannot be had is a PlatformError at `listen`."""
        with pytest.raises(PlatformError):
            listen(port=listener.port)


def _send(client: socket.socket, data: bytes) -> None:
    try:
        client.sendall(data)
    except OSError:  # cut off by the listener, as it may
        return


def _await_reactions(clients: Sequence[socket.socket], timeout: float) -> None:
    """Let the listener answer or cut off those that it wants to."""
    deadline = time.monotonic() + timeout
    silent = list(clients)
    while silent and (left := deadline - time.monotonic()) > 0:
        answered, _, _ = select.select(silent, [], [], left)
        silent = [client for client in silent if client not in answered]
