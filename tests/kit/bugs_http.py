"""Transports over sockets with one thing broken in each, and the rule of the kit that has to find it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

import pytest
from attrs import evolve

from iris_actor.http import listener
from iris_actor.http.protocol import LingeringProtocol
from iris_actor.http.transport import HttpTransport
from iris_api.credentials import Token, new_token
from iris_api.errors import DeadlineExceeded, Lost, NotSent
from iris_api.testing import TransportConformance
from iris_api.transport import Bind, Channel, Handler, Listener, Reply, Request, Transport

__all__ = ["BUGS", "BuggyHttpKit", "Healthy"]


class BuggyHttpKit(TransportConformance):
    """Less patient, so that what never comes is found soon."""

    transport_class: type[HttpTransport] = HttpTransport

    @pytest.fixture
    def make_transport(self) -> Callable[[], Transport]:
        return self.transport_class

    @pytest.fixture
    def prompt(self) -> float:
        return 4.0

    @pytest.fixture
    def patience(self) -> float:
        return 4.0


class Healthy(HttpTransport):
    """Nothing is broken."""


class Changed(Channel):
    """A channel whose errors are changed."""

    def __init__(self, inner: Channel, change: Callable[[BaseException], BaseException]) -> None:
        self._inner = inner
        self._change = change

    def submit(self, request: Request) -> Future[Reply]:
        future: Future[Reply] = Future()

        def done(inner: Future[Reply]) -> None:
            error = inner.exception()
            if error is None:
                future.set_result(inner.result())
            else:
                future.set_exception(self._change(error))

        self._inner.submit(request).add_done_callback(done)
        return future

    def close(self) -> None:
        self._inner.close()


class LostIsNotSent(HttpTransport):
    """What may have run is told to be safe to send again."""

    def connect(self, address: str, token: Token | None = None) -> Channel:
        return Changed(
            super().connect(address, token),
            lambda error: NotSent(str(error)) if type(error) is Lost else error,
        )


class NotSentIsLost(HttpTransport):
    """What nobody has got is told to have run, maybe."""

    def connect(self, address: str, token: Token | None = None) -> Channel:
        return Changed(
            super().connect(address, token),
            lambda error: Lost(str(error)) if type(error) is NotSent else error,
        )


class BlamesTheDeadline(HttpTransport):
    """The death of a server is a deadline that passed."""

    def connect(self, address: str, token: Token | None = None) -> Channel:
        return Changed(
            super().connect(address, token),
            lambda error: DeadlineExceeded(str(error)) if isinstance(error, Lost) else error,
        )


class StaysDead(HttpTransport):
    """A channel that has lost its server never tries again."""

    def connect(self, address: str, token: Token | None = None) -> Channel:
        return _Once(super().connect(address, token), lambda error: error)


class _Once(Changed):
    _dead = False

    def submit(self, request: Request) -> Future[Reply]:
        if self._dead:
            future: Future[Reply] = Future()
            future.set_exception(NotSent("the connection is gone"))
            return future
        made = super().submit(request)
        made.add_done_callback(self._note)
        return made

    def _note(self, future: Future[Reply]) -> None:
        self._dead = future.exception() is not None


class SendsAgainWhatWasCut(HttpTransport):
    """A call whose connection is cut is sent again, whether it has run or not."""

    def connect(self, address: str, token: Token | None = None) -> Channel:
        return _Again(super().connect(address, token), lambda error: error)


class _Again(Changed):
    def submit(self, request: Request) -> Future[Reply]:
        future: Future[Reply] = Future()

        def done(inner: Future[Reply], last: bool = False) -> None:
            error = inner.exception()
            if error is None:
                future.set_result(inner.result())
            elif type(error) is Lost and not last:
                self._inner.submit(request).add_done_callback(lambda again: done(again, last=True))
            else:
                future.set_exception(error)

        self._inner.submit(request).add_done_callback(done)
        return future


class DropsEmptyBuffers(HttpTransport):
    """What has no bytes does not travel."""

    def connect(self, address: str, token: Token | None = None) -> Channel:
        return _Dropping(super().connect(address, token), lambda error: error)


class _Dropping(Changed):
    def submit(self, request: Request) -> Future[Reply]:
        full = tuple(buffer for buffer in request.buffers if len(buffer))
        return super().submit(evolve(request, buffers=full))


class NeedsNoToken(HttpTransport):
    """Beyond this machine too it listens without a token."""

    def listen(self, handler: Handler, bind: Bind) -> Listener:
        return super().listen(handler, bind if bind.token else evolve(bind, token=new_token()))


class EndsWithNonsense(HttpTransport):
    """It takes what is no HTTP for the end of all calls."""

    def listen(self, handler: Handler, bind: Bind) -> Listener:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(listener, "LingeringProtocol", _Fragile)
            return super().listen(handler, bind)


class _Fragile(LingeringProtocol):
    def send_400_response(self, msg: str) -> None:
        self.app.app.workers.close(0)
        super().send_400_response(msg)


BUGS: Final[dict[type[HttpTransport], str]] = {
    LostIsNotSent: "killed_during",
    NotSentIsLost: "killed_before",
    SendsAgainWhatWasCut: "cut_during",
    BlamesTheDeadline: "killed_during",
    StaysDead: "killed_after",
    DropsEmptyBuffers: "other_process",
    NeedsNoToken: "foreign_host_needs_a_token",
    EndsWithNonsense: "garbage",
}
