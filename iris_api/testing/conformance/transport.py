"""TransportConformance: what every transport has to keep."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from iris_api.credentials import Token, new_token
from iris_api.testing.conformance._served import Caller, Connect, Elsewhere, Listen, Service
from iris_api.testing.conformance._transport_closing import ClosingRules
from iris_api.testing.conformance._transport_deaths import DeathRules
from iris_api.testing.conformance._transport_failures import FailureRules
from iris_api.testing.conformance._transport_handlers import HandlerRules
from iris_api.testing.conformance._transport_payloads import PayloadRules
from iris_api.testing.conformance.base import Conformance, given, override
from iris_api.threads import ThreadContainer
from iris_api.transport import Bind, Channel, Handler, Listener, Transport

__all__ = ["TransportConformance"]


class TransportConformance(DeathRules, ClosingRules, FailureRules, HandlerRules, PayloadRules, Conformance):
    """Subclass it and override `make_transport`::

        class TestMine(TransportConformance):
            @pytest.fixture
            def make_transport(self) -> Callable[[], Transport]:
                return MyTransport

    The kit brings the handlers and the tokens. It listens with one object of the transport and connects with
    another one, as the two ends do in real life.
    """

    kind = "transport"
    abilities: ClassVar[Mapping[str, str]] = {
        "processes": "calls reach listeners in other processes",
        "sockets": "anybody who can open a socket to the listener's host and port can write to it",
    }

    @pytest.fixture
    @given(required=True)
    def make_transport(self) -> Callable[[], Transport]:
        """Makes a transport, as often as it is called. With the ability "processes" it is carried to another
        process by cloudpickle and called there."""
        found: Callable[[], Transport] = override("make_transport")
        return found

    @pytest.fixture
    @given()
    def host(self) -> str:
        """Where listeners listen: on this machine, for this machine."""
        return "127.0.0.1"

    @pytest.fixture
    @given()
    def prompt(self) -> float:
        """Seconds in which something has to end that needs no time of its own."""
        return 5.0

    @pytest.fixture
    @given()
    def patience(self) -> float:
        """Seconds that anything may take on a busy machine."""
        return 20.0

    @pytest.fixture
    def token(self) -> Token:
        return new_token()

    @pytest.fixture
    def service(self, patience: float) -> Service:
        """What listeners serve unless they are given another handler."""
        return Service(patience)

    @pytest.fixture
    def caller(self, prompt: float, patience: float) -> Iterator[Caller]:
        threads = ThreadContainer("conformance")
        yield Caller(threads.spawn_executor(32, "conformance"), prompt, patience)
        threads.stop()

    @pytest.fixture
    def listen(
        self,
        make_transport: Callable[[], Transport],
        service: Service,
        token: Token,
        host: str,
        caller: Caller,
    ) -> Iterator[Listen]:
        """Makes listeners, which are closed at the end."""
        made: list[Listener] = []

        def listen(handler: Handler | None = None, **bind: Any) -> Listener:
            given: dict[str, Any] = {"host": host, "token": token} | bind
            made.append(make_transport().listen(handler or service, Bind(**given)))
            return made[-1]

        yield listen
        service.release.set()
        for listener in made:
            listener.close()

    @pytest.fixture
    def connect(
        self, make_transport: Callable[[], Transport], token: Token, listen: Listen
    ) -> Iterator[Connect]:
        """Makes channels, which are closed at the end."""
        made: list[Channel] = []

        def connect(address: str) -> Channel:
            made.append(make_transport().connect(address, token))
            return made[-1]

        yield connect
        for channel in made:
            channel.close()

    @pytest.fixture
    def listener(self, listen: Listen) -> Listener:
        return listen()

    @pytest.fixture
    def channel(self, connect: Connect, listener: Listener) -> Channel:
        return connect(listener.address)

    @pytest.fixture
    def start_elsewhere(
        self, make_transport: Callable[[], Transport], host: str, token: Token, tmp_path: Path
    ) -> Iterator[Callable[..., Elsewhere]]:
        """Starts listeners in processes of their own, which are killed at the end."""
        started: list[Elsewhere] = []

        def start(port: int = 0) -> Elsewhere:
            folder = tmp_path / f"elsewhere-{len(started)}"
            started.append(Elsewhere(make_transport, host, port, token, folder))
            return started[-1]

        yield start
        for one in started:
            one.kill()

    @pytest.fixture
    def elsewhere(self, start_elsewhere: Callable[..., Elsewhere]) -> Elsewhere:
        return start_elsewhere()
