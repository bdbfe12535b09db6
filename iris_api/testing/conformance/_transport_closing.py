"""Listeners: their ports, several at once, and how they close."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from iris_api.credentials import Token
from iris_api.errors import DeadlineExceeded, Lost, NotSent, Refused
from iris_api.testing.conformance._served import (
    Caller,
    Connect,
    Listen,
    Service,
    both_ways,
    request,
)
from iris_api.testing.leaks import leaked_threads, thread_snapshot
from iris_api.testing.waiting import wait_for_condition
from iris_api.transport import Bind, Channel, Listener, Reply, Transport

__all__ = ["ClosingRules"]

_ENDS = 2.0  # seconds that a thread may take to end, at least


class ClosingRules:
    def test_port_zero(self, listen: Listen) -> None:
        """Port 0 picks a free port, which the listener's address names."""
        one, other = listen(), listen()
        assert one.port != 0
        assert one.port != other.port
        assert one.address.endswith(f":{one.port}")

    def test_scheme(self, make_transport: Callable[[], Transport], listener: Listener) -> None:
        """The listener's address starts with one of the transport's schemes."""
        scheme, separator, _ = listener.address.partition("://")
        assert separator, f"{listener.address} is no scheme://host:port"
        assert scheme in make_transport().schemes

    @both_ways
    def test_two_listeners(self, listen: Listen, connect: Connect, caller: Caller, way: str) -> None:
        """Two listeners coexist: each answers its own calls, and one goes on when the other is closed."""
        one, other = listen(lambda request: Reply(b"one")), listen(lambda request: Reply(b"other"))
        to_one, to_other = connect(one.address), connect(other.address)
        assert bytes(caller.do(way, to_one, request("who")).head) == b"one"
        assert bytes(caller.do(way, to_other, request("who")).head) == b"other"
        one.close()
        assert bytes(caller.do(way, to_other, request("who")).head) == b"other"

    @both_ways
    def test_next_listener(self, listen: Listen, connect: Connect, caller: Caller, way: str) -> None:
        """A channel outlives its listener: the next one at the address is reached by it."""
        first = listen(lambda request: Reply(b"first"))
        channel = connect(first.address)
        assert bytes(caller.do(way, channel, request("who")).head) == b"first"
        first.close()
        listen(lambda request: Reply(b"next"), port=first.port)

        def reached() -> bytes:
            try:
                return bytes(caller.do(way, channel, request("who")).head)
            except NotSent:
                return b""

        assert wait_for_condition(reached, caller.patience) == b"next"

    @both_ways
    def test_close_lets_calls_end(
        self, listener: Listener, channel: Channel, caller: Caller, service: Service, way: str
    ) -> None:
        """While a listener closes, running calls end as usual; new ones are Refused or NotSent, not run."""
        running = caller.begin(way, channel, request("wait", b"to the end"))
        service.begun()
        closing = caller.aside(lambda: listener.close(caller.patience))
        wait_for_condition(lambda: self._is_turned_away(caller, way, channel), caller.patience)
        echoes = service.count("echo")
        assert self._is_turned_away(caller, way, channel)
        assert service.count("echo") == echoes
        assert not closing.done(), "close did not wait for the call that runs"
        service.release.set()
        assert bytes(running.result(caller.patience).head) == b"to the end"
        closing.result(caller.patience)

    @both_ways
    def test_close_is_bounded(
        self, listener: Listener, channel: Channel, caller: Caller, service: Service, way: str
    ) -> None:
        """`close` waits no longer than its timeout for a call that runs on; the call is Lost then."""
        running = caller.begin(way, channel, request("wait"))
        service.begun()
        began = time.monotonic()
        listener.close(0.3)
        assert time.monotonic() - began < caller.prompt
        error = running.exception(caller.prompt)
        assert isinstance(error, Lost), f"it ended with {error!r}"
        assert not isinstance(error, DeadlineExceeded)
        assert service.count("wait") == 1

    @both_ways
    def test_closed_after(
        self, listener: Listener, channel: Channel, caller: Caller, service: Service, way: str
    ) -> None:
        """A reply stays when the listener is closed after it; the next call is not run, and ends at once."""
        future = caller.begin(way, channel, request("echo", b"x"))
        assert bytes(future.result(caller.patience).head) == b"x"
        listener.close()
        listener.close()
        error = caller.begin(way, channel, request("echo")).exception(caller.prompt)
        assert isinstance(error, NotSent | Refused), f"it ended with {error!r}"
        assert bytes(future.result(0).head) == b"x"
        assert service.count("echo") == 1

    @pytest.mark.parametrize("running", [False, True], ids=["idle", "during a call"])
    def test_no_thread_is_left(
        self,
        make_transport: Callable[[], Transport],
        service: Service,
        token: Token,
        host: str,
        prompt: float,
        running: bool,
    ) -> None:
        """A listener and a channel that are closed leave no thread behind; nor do those that were closed
        during a call, once its handler has returned."""
        before = thread_snapshot()
        listener = make_transport().listen(service, Bind(host=host, token=token))
        channel = make_transport().connect(listener.address, token)
        futures = [channel.submit(request("echo")) for _ in range(20)]
        assert [future.exception(service.patience) for future in futures] == [None] * 20
        channel.call(request("echo"))
        if running:
            channel.submit(request("wait"))
            service.begun()
            listener.close(0.1)
            service.release.set()
        else:
            listener.close()
        channel.close()
        assert leaked_threads(before, max(prompt, _ENDS)) == []

    def _is_turned_away(self, caller: Caller, way: str, channel: Channel) -> bool:
        error = caller.error(way, channel, request("echo"))
        assert error is None or isinstance(error, Refused | NotSent), f"it ended with {error!r}"
        return error is not None
