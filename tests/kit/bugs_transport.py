"""Transports with one thing broken in each, and the rule of the kit that has to find it."""

from __future__ import annotations

import contextvars
import math
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import ClassVar, Final

import pytest
from attrs import evolve

from iris_api.credentials import Token
from iris_api.errors import Lost, NotSent, Refused
from iris_api.testing import MemoryTransport, TransportConformance
from iris_api.testing.fakes import transport as fake
from iris_api.testing.fakes.transport import Call, MemoryChannel, MemoryListener
from iris_api.transport import Bind, Channel, Deliver, Handler, Listener, Reply, Request, Transport

__all__ = ["BUGS", "Buggy", "BuggyTransportKit", "Healthy"]


class BuggyTransportKit(TransportConformance):
    """Less patient, so that what never comes is found soon."""

    not_promised: ClassVar = {"processes": "it is the memory of one process", "sockets": "it has none"}
    transport_class: type[MemoryTransport] = MemoryTransport

    @pytest.fixture
    def make_transport(self) -> Callable[[], Transport]:
        return self.transport_class

    @pytest.fixture
    def prompt(self) -> float:
        return 0.5

    @pytest.fixture
    def patience(self) -> float:
        return 0.5


class Buggy(MemoryTransport):
    listener: type[MemoryListener] = MemoryListener
    channel: type[MemoryChannel] = MemoryChannel

    def listen(self, handler: Handler, bind: Bind) -> Listener:
        return self.listener(handler, bind)

    def connect(self, address: str, token: Token | None = None) -> Channel:
        return self.channel(address, token)


class Healthy(Buggy):
    """Nothing is broken."""


class SwallowsTheContext(Buggy):
    """Handlers run in a context with nothing in it."""

    class listener(MemoryListener):
        def __init__(self, handler: Handler, bind: Bind) -> None:
            super().__init__(lambda request: contextvars.Context().run(handler, request), bind)


class TakesTheCallersContext(Buggy):
    """Handlers run in the context of the call."""

    class listener(MemoryListener):
        def take(self, call: Call) -> None:
            self._context = contextvars.copy_context()
            super().take(call)


class HasOneContext(Buggy):
    """Handlers run in one copy of the context, all in the same."""

    class listener(MemoryListener):
        def __init__(self, handler: Handler, bind: Bind) -> None:
            context = contextvars.copy_context()
            super().__init__(lambda request: context.run(handler, request), bind)


class OneCallAtATime(Buggy):
    """A listener serves one call, then the next."""

    def listen(self, handler: Handler, bind: Bind) -> Listener:
        return super().listen(handler, evolve(bind, max_concurrency=1))


class HasNoBound(Buggy):
    """It overlooks `max_concurrency`."""

    def listen(self, handler: Handler, bind: Bind) -> Listener:
        return super().listen(handler, evolve(bind, max_concurrency=100))


class OneCallOfAChannel(Buggy):
    """A channel sends a call when the one before has ended."""

    class channel(MemoryChannel):
        def __init__(self, address: str, token: Token | None) -> None:
            super().__init__(address, token)
            self._turn = threading.Lock()

        def post(self, request: Request, deliver: Deliver) -> None:
            def done(reply: Reply | None, error: BaseException | None) -> None:
                self._turn.release()
                deliver(reply, error)

            if not self._turn.acquire(timeout=2.0):
                deliver(None, NotSent("it was not this call's turn"))
            else:
                super().post(request, done)


class MixesUpReplies(Buggy):
    """A call gets the reply to the one before it on its channel."""

    class channel(MemoryChannel):
        _before: Reply | None = None

        def post(self, request: Request, deliver: Deliver) -> None:
            def mixed(reply: Reply | None, error: BaseException | None) -> None:
                before, self._before = self._before, reply
                deliver(before or reply, error)

            super().post(request, mixed)


class IgnoresTheDeadline(Buggy):
    """A call takes as long as its handler."""

    class listener(MemoryListener):
        def take(self, call: Call) -> None:
            call.deadline = math.inf
            super().take(call)


class PostsTwice(Buggy):
    """What is posted is delivered, and delivered again."""

    class channel(MemoryChannel):
        def submit(self, request: Request) -> Future[Reply]:
            future: Future[Reply] = Future()

            def resolve(reply: Reply | None, error: BaseException | None) -> None:
                if not future.done():
                    future.set_exception(error) if error is not None else future.set_result(reply or Reply())

            self.post(request, resolve)
            return future

        def post(self, request: Request, deliver: Deliver) -> None:
            def twice(reply: Reply | None, error: BaseException | None) -> None:
                deliver(reply, error)
                deliver(reply, error)

            super().post(request, twice)


class RetriesWhatMayHaveRun(Buggy):
    """A synchronous call that was Lost is made again."""

    class channel(MemoryChannel):
        def call(self, request: Request) -> Reply:
            try:
                return super().call(request)
            except Lost:
                return super().call(request)


class ForgetsTheCode(Buggy):
    """All refusals are one."""

    class channel(MemoryChannel):
        def post(self, request: Request, deliver: Deliver) -> None:
            def coarsen(reply: Reply | None, error: BaseException | None) -> None:
                known = Refused("unavailable", error.message) if isinstance(error, Refused) else error
                deliver(reply, known)

            super().post(request, coarsen)


class LostIsNotSent(Buggy):
    """What was begun is told to be safe to send again."""

    class channel(MemoryChannel):
        def post(self, request: Request, deliver: Deliver) -> None:
            super().post(request, lambda *outcome: deliver(*_as(NotSent, Lost, *outcome)))


class NotSentIsLost(Buggy):
    """What nobody has got is told to have run, maybe."""

    class channel(MemoryChannel):
        def post(self, request: Request, deliver: Deliver) -> None:
            super().post(request, lambda *outcome: deliver(*_as(Lost, NotSent, *outcome)))


class LetsEverybodyIn(Buggy):
    """It overlooks the token."""

    def listen(self, handler: Handler, bind: Bind) -> Listener:
        return super().listen(handler, evolve(bind, token=None))


class ForgetsPendingCalls(Buggy):
    """A channel that is closed leaves its callers waiting."""

    class channel(MemoryChannel):
        def close(self) -> None:
            self._closed = True


class TakesAPortTwice(Buggy):
    """A port that is taken is as good as another."""

    def listen(self, handler: Handler, bind: Bind) -> Listener:
        return super().listen(handler, evolve(bind, port=0))


class HidesThePort(Buggy):
    """Port 0 stays 0."""

    def listen(self, handler: Handler, bind: Bind) -> Listener:
        listener = super().listen(handler, bind)
        listener.port = bind.port
        return listener


class HasAnotherScheme(Buggy):
    """Its addresses are not those that it says it serves."""

    schemes = ("ram",)


class ServesTheLastHandler(Buggy):
    """Two listeners share what they serve."""

    class listener(MemoryListener):
        last: ClassVar[list[Handler]] = []

        def __init__(self, handler: Handler, bind: Bind) -> None:
            self.last.append(handler)
            super().__init__(lambda request: self.last[-1](request), bind)


class StaysWithTheFirst(Buggy):
    """A channel knows the listener of its first call, and no later one."""

    class channel(MemoryChannel):
        _first: MemoryListener | None = None

        def post(self, request: Request, deliver: Deliver) -> None:
            found = fake._ports.at(self.address)
            self._first = self._first or found
            if found is not self._first:
                deliver(None, NotSent("the connection is gone"))
            else:
                super().post(request, deliver)


class KillsRunningCalls(Buggy):
    """Close waits for nobody."""

    class listener(MemoryListener):
        def close(self, timeout: float = 5.0) -> None:
            super().close(0.0)


class ServesWhileItCloses(Buggy):
    """Close waits, and lets new calls in meanwhile."""

    class listener(MemoryListener):
        def close(self, timeout: float = 5.0) -> None:
            with self._quiet:
                self._quiet.wait_for(lambda: not self._open, timeout)
            super().close(timeout)


class WaitsTooLong(Buggy):
    """Close takes the time that the calls need."""

    class listener(MemoryListener):
        def close(self, timeout: float = 5.0) -> None:
            super().close(10 * timeout)


class RunsAfterClose(Buggy):
    """A listener that is closed still serves."""

    class listener(MemoryListener):
        def close(self, timeout: float = 5.0) -> None:
            return


class LeavesAThread(Buggy):
    """Close ends the calls, and leaves what waited for them."""

    class listener(MemoryListener):
        def close(self, timeout: float = 5.0) -> None:
            stop, self._threads.stop = self._threads.stop, lambda timeout=0: []  # type: ignore[method-assign]
            super().close(timeout)
            self._threads.stop = stop  # type: ignore[method-assign]


class LeavesAThreadOfACall(Buggy):
    """Close cuts a call off, and what ran it stays."""

    class listener(MemoryListener):
        def close(self, timeout: float = 5.0) -> None:
            with self._quiet:
                left, self._closed = list(self._open), True
            if left:
                self._threads.stop = lambda timeout=0: []  # type: ignore[method-assign]
            super().close(timeout)


def _as(
    new: type[NotSent | Lost], old: type[Exception], reply: Reply | None, error: BaseException | None
) -> tuple[Reply | None, BaseException | None]:
    return reply, new(str(error)) if type(error) is old else error


BUGS: Final[dict[type[MemoryTransport], str]] = {
    SwallowsTheContext: "context",
    TakesTheCallersContext: "context",
    HasOneContext: "context_is_a_copy",
    OneCallAtATime: "concurrent",
    HasNoBound: "concurrency_is_bounded",
    OneCallOfAChannel: "slow_call",
    MixesUpReplies: "threads_share_a_channel",
    IgnoresTheDeadline: "deadline",
    PostsTwice: "post",
    RetriesWhatMayHaveRun: "broken_handler",
    ForgetsTheCode: "refused",
    LostIsNotSent: "close_is_bounded",
    NotSentIsLost: "nobody_listens",
    LetsEverybodyIn: "strangers",
    ForgetsPendingCalls: "channel_close",
    TakesAPortTwice: "port_in_use",
    HidesThePort: "port_zero",
    HasAnotherScheme: "scheme",
    ServesTheLastHandler: "two_listeners",
    StaysWithTheFirst: "next_listener",
    KillsRunningCalls: "close_lets_calls_end",
    ServesWhileItCloses: "close_lets_calls_end",
    WaitsTooLong: "close_is_bounded",
    RunsAfterClose: "closed_after",
    LeavesAThread: "no_thread_is_left",
    LeavesAThreadOfACall: "no_thread_is_left",
}
