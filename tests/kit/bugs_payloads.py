"""Transports that change what travels, and the rule of the kit that has to find it."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Final

from attrs import evolve

from iris_api.testing import MemoryTransport
from iris_api.testing.fakes.transport import Call, MemoryChannel, MemoryListener
from iris_api.transport import Bind, Deliver, Handler, Reply, Request
from tests.kit.bugs_transport import Buggy

__all__ = ["BUGS"]

_lent: Final[list[tuple[memoryview, ...]]] = []


class DropsEmptyBuffers(Buggy):
    """What has no bytes does not travel."""

    class channel(MemoryChannel):
        def post(self, request: Request, deliver: Deliver) -> None:
            full = tuple(buffer for buffer in request.buffers if len(buffer))
            super().post(evolve(request, buffers=full), deliver)


class CutsAt16MiB(Buggy):
    """A length of 24 bits."""

    class channel(MemoryChannel):
        def post(self, request: Request, deliver: Deliver) -> None:
            super().post(evolve(request, head=request.head[: 2**24]), deliver)


class CutsBuffersAt16MiB(Buggy):
    """Each buffer has a length of 24 bits."""

    class channel(MemoryChannel):
        def post(self, request: Request, deliver: Deliver) -> None:
            cut = tuple(buffer[: 2**24] for buffer in request.buffers)
            super().post(evolve(request, buffers=cut), deliver)


class CutsWhatIsSubmitted(Buggy):
    """As before, for what is sent without waiting."""

    class channel(MemoryChannel):
        def submit(self, request: Request) -> Future[Reply]:
            return super().submit(evolve(request, head=request.head[: 2**24]))

        def call(self, request: Request) -> Reply:
            return super().submit(request).result(request.timeout)


class ForgetsTheFence(Buggy):
    """The endpoint's uid stays at home."""

    class channel(MemoryChannel):
        def post(self, request: Request, deliver: Deliver) -> None:
            super().post(evolve(request, endpoint_uid=""), deliver)


class LosesTheFailure(Buggy):
    """An exception is a value."""

    class listener(MemoryListener):
        def __init__(self, handler: Handler, bind: Bind) -> None:
            super().__init__(lambda request: evolve(handler(request), failure=None), bind)


class LendsTheCallersMemory(Buggy):
    """Buffers are handed over, not copied."""

    class listener(MemoryListener):
        def take(self, call: Call) -> None:
            call.request = evolve(call.request, buffers=_lent.pop())
            super().take(call)

    class channel(MemoryChannel):
        def post(self, request: Request, deliver: Deliver) -> None:
            _lent.append(request.buffers)
            super().post(request, deliver)


class LendsTheHandlersMemory(Buggy):
    """The reply's buffers are handed over, not copied."""

    class listener(MemoryListener):
        def __init__(self, handler: Handler, bind: Bind) -> None:
            def lend(request: Request) -> Reply:
                reply = handler(request)
                _lent.append(reply.buffers)
                return reply

            super().__init__(lend, bind)

    class channel(MemoryChannel):
        def post(self, request: Request, deliver: Deliver) -> None:
            def lent(reply: Reply | None, error: BaseException | None) -> None:
                deliver(evolve(reply, buffers=_lent.pop()) if reply else None, error)

            super().post(request, lent)


BUGS: Final[dict[type[MemoryTransport], str]] = {
    DropsEmptyBuffers: "buffers",
    CutsAt16MiB: "bytes",
    CutsWhatIsSubmitted: "bytes",
    CutsBuffersAt16MiB: "buffers",
    ForgetsTheFence: "fields",
    LosesTheFailure: "failure",
    LendsTheCallersMemory: "sent_is_a_copy",
    LendsTheHandlersMemory: "reply_is_a_copy",
}
