from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from iris_actor.http.transport import HttpTransport
from iris_api.credentials import Token, new_token
from iris_api.transport import Bind, Channel, Handler, Listener, Request
from tests.transport.handlers import Handlers

Listen = Callable[[Handler], tuple[Listener, Channel]]


@pytest.fixture
def token() -> Token:
    return new_token()


@pytest.fixture(params=[True, False], ids=["linger", "plain"])
def linger(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def listen(token: Token, linger: bool) -> Iterator[Callable[..., tuple[Listener, Channel]]]:
    """Serve a handler; gives the listener and a channel to it."""
    open_ones: list[Listener | Channel] = []

    def make(handler: Handler, **bind: object) -> tuple[Listener, Channel]:
        transport = HttpTransport(linger=linger)
        listener = transport.listen(handler, Bind(token=token, **bind))  # type: ignore[arg-type]
        channel = transport.connect(listener.address, token)
        open_ones.extend((channel, listener))
        return listener, channel

    yield make
    for one in open_ones:
        one.close()


@pytest.fixture
def handlers() -> Handlers:
    return Handlers()


@pytest.fixture
def listener(listen: Callable[..., tuple[Listener, Channel]], handlers: Handlers) -> Listener:
    return listen(handlers)[0]


@pytest.fixture
def channel(listener: Listener, token: Token) -> Iterator[Channel]:
    channel = HttpTransport().connect(listener.address, token)
    yield channel
    channel.close()


@pytest.fixture
def request_of() -> Callable[..., Request]:
    return lambda method, head=b"x", buffers=(), timeout=10.0: Request(
        "a", method, head, buffers, timeout=timeout
    )
