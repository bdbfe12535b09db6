"""Transport: how a call reaches an actor server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Final, Protocol, runtime_checkable

from attrs import define, field, frozen

from iris_api.credentials import Token
from iris_api.errors import DeadlineExceeded
from iris_api.threads import ThreadContainer

__all__ = [
    "DEFAULT_TIMEOUT",
    "Bind",
    "Channel",
    "Deliver",
    "Handler",
    "Listener",
    "RemoteFailure",
    "Reply",
    "Request",
    "SupportsPost",
    "Transport",
]

_LATE: Final = 2.0  # seconds that a transport may be late with the failure of a call whose time is up
DEFAULT_TIMEOUT: Final = 60.0  # seconds: every call has a deadline


@frozen
class RemoteFailure:
    """An application's exception in words, for when its pickle cannot be had or read."""

    type: str
    message: str
    traceback: str


@define  # not frozen, and to be treated so: freezing costs a tenth of a small call
class Request:
    """A call of ``actor.method``. The payload is pickle protocol 5 with out-of-band buffers.

    `endpoint_uid`, if not empty, fences: a server that is another endpoint refuses. `timeout` in
    seconds from submission. `idempotent` allows a retry of what may have run.
    """

    actor: str
    method: str
    head: bytes = b""
    buffers: tuple[memoryview, ...] = ()
    endpoint_uid: str = ""
    timeout: float = DEFAULT_TIMEOUT
    idempotent: bool = False


@define  # as Request
class Reply:
    """What the application answered: a pickled value, or with `failure` a pickled exception."""

    head: bytes | memoryview = b""
    buffers: tuple[memoryview, ...] = ()
    failure: RemoteFailure | None = None


Handler = Callable[[Request], Reply]
"""Runs a call, in a thread of the listener's; raises Refused for what it will not run. Anything else that
it raises is Lost to the caller: the call may have run. Its reply's buffers are its own again afterwards."""


@frozen(kw_only=True)
class Bind:
    """Where to listen and whom to let in. Port 0 picks a port. A host that is not a loopback address
    needs a token. `advertise_host` is the host in the address that others are told; default `host`.
    At most `max_concurrency` handlers run at once; the others wait. `threads` owns the listener's
    threads; without it the registry's container does."""

    host: str = "127.0.0.1"
    port: int = 0
    advertise_host: str = ""
    token: Token | None = None
    max_concurrency: int = field(default=128)
    threads: ThreadContainer | None = None


class Listener(ABC):
    """A server that is up."""

    address: str  # scheme://host:port, as others are told it
    port: int  # where it listens on this machine

    @abstractmethod
    def close(self, timeout: float = 5.0) -> None:
        """Take no more calls, let running ones finish within `timeout` seconds, leave no thread that
        is not in a handler. Idempotent."""


class Channel(ABC):
    """Calls to one address, to whoever listens there at the time. Safe from several threads."""

    @abstractmethod
    def submit(self, request: Request) -> Future[Reply]:
        """Send without waiting; a transport is free to coalesce what is pending. The buffers are the
        caller's again on return. The future fails with NotSent (safe to retry), Lost (may have run),
        DeadlineExceeded or Refused."""

    def call(self, request: Request) -> Reply:
        """Send and wait, within the request's timeout, in the caller's own thread where the transport
        can. Raises as the future of `submit` does."""
        from iris_api.plugins import calls_of

        future: Future[Reply] = calls_of(self).checked(self.submit(request), Future, "submit()")
        wait([future], request.timeout + _LATE)
        if not future.done():
            raise DeadlineExceeded(
                f"{request.actor}.{request.method}: {calls_of(self).named} has not kept the deadline of"
                f" {request.timeout:g} s"
            )
        return future.result()

    @abstractmethod
    def close(self) -> None:
        """Close the connections; what is pending fails with Lost or NotSent. Idempotent."""


Deliver = Callable[[Reply | None, BaseException | None], None]
"""Takes the reply of one call, or the error in its place; does not block and does not raise."""


@runtime_checkable
class SupportsPost(Protocol):
    """A channel that can do without a future for each call, where many are under way."""

    def post(self, request: Request, deliver: Deliver) -> None:
        """As `submit`; `deliver` is called once, from a thread of the channel's, with what the future
        would have had."""


class Transport(ABC):
    """How calls travel."""

    schemes: tuple[str, ...]  # of the addresses that it serves, such as ("http",)

    @abstractmethod
    def listen(self, handler: Handler, bind: Bind) -> Listener:
        """Serve until the listener is closed. Handlers run concurrently, each in a copy of the context
        of whoever called `listen`. Raises PlatformError when the port cannot be had."""

    @abstractmethod
    def connect(self, address: str, token: Token | None = None) -> Channel:
        """A channel to `address`; connects at the first call, so it never blocks or fails here."""
