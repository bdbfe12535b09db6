"""Caller: brings calls to whoever has a name, and repeats what cannot have run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Protocol, runtime_checkable

from iris_actor import ambient
from iris_actor.attempt import Attempt
from iris_actor.channels import call_over, failure_of, mute, name_it, submit_to
from iris_actor.decoding import decode
from iris_actor.errors import ActorUnavailable
from iris_actor.futures import ActorFuture, call_site
from iris_actor.payload import dump_arguments, snapshot
from iris_actor.retries import Retries
from iris_actor.waiting import Seen, endpoints_now, wait_for_endpoints
from iris_api.errors import DeadlineExceeded, Lost, NotSent, Refused, TransportError
from iris_api.resolver import Endpoint, Resolver
from iris_api.threads import ThreadContainer
from iris_api.transport import Channel, Deliver, Request, SupportsPost

__all__ = ["Caller", "Choose", "first"]

_PASSING: Final = frozenset({"unavailable", "resource_exhausted", "aborted"})  # "aborted": fenced
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
_BRIEF: Final = 1.0  # seconds that a call which does not wait may take to find out who has the name

Choose = Callable[[tuple[Endpoint, ...]], Endpoint]


def first(endpoints: tuple[Endpoint, ...]) -> Endpoint:
    return endpoints[0]


@runtime_checkable
class _Forgetful(Protocol):
    """A resolver that remembers what it was told, and can be told to ask again."""

    def forget(self, name: str) -> None: ...


class Caller:
    """Calls of one name. Safe from several threads.

    What was not sent, or was refused unrun, is tried again until the deadline, at other endpoints
    first; what may have run only if `idempotent`.
    """

    def __init__(
        self,
        resolver: Resolver,
        name: str,
        *,
        timeout: float,
        idempotent: bool = False,
        choose: Choose = first,
        retry: bool = True,
        threads: ThreadContainer | None = None,
    ) -> None:
        self.resolver = resolver
        self.name = name
        self.timeout = timeout
        self.idempotent = idempotent
        self._choose = choose
        self._retry = retry
        self._channels: dict[str, Channel] = {}
        self._posts: dict[str, Callable[[Request, Deliver], None]] = {}  # of the same channels
        self._threads = threads
        self._retries = Retries(self, threads)
        self._pid = os.getpid()

    def call(self, method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Call and wait, in this thread. Raises the application's exception, or a TransportError."""
        self._see_fork()
        attempt = Attempt(self, method, dump_arguments(args, kwargs, self.name, method), self.timeout)
        while True:
            endpoint = self._find(attempt)
            try:
                channel = self._channel(endpoint, attempt.deadline)
                reply = call_over(channel, self._request(attempt, endpoint))
            except TransportError as error:
                time.sleep(self.next_pause(attempt, endpoint, error))
            else:
                return decode(reply, self.name, f"{method} at {endpoint.address}")

    def remote(self, method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> ActorFuture:
        """Call without waiting; arguments are pickled now."""
        self._see_fork()
        payload = dump_arguments(args, kwargs, self.name, method)
        attempt = Attempt(self, method, snapshot(payload) if payload[1] else payload, self.timeout)
        self.launch(attempt)
        return ActorFuture(attempt, *call_site())

    def _see_fork(self) -> None:
        """A forked child has connections and threads of its own."""
        if self._pid != os.getpid():
            self._channels, self._posts = {}, {}
            self._retries = Retries(self, self._threads)
            self._pid = os.getpid()

    def launch(self, attempt: Attempt, *, patience: float = _BRIEF) -> None:
        """Post the call if somebody has the name, else leave it to the thread that waits for that. To find
        out who has it takes `patience` seconds at most."""
        until = min(attempt.deadline, time.monotonic() + patience)
        post = None
        try:
            endpoints = attempt.candidates(endpoints_now(self.resolver, self.name, until))
            if not endpoints:
                self._give_up_if_refused(attempt)
                self._retries.add(attempt)
                return
            endpoint = attempt.endpoint = self._choose(endpoints)
            post = self._posts.get(endpoint.address) or self._post_to(endpoint, attempt)
            post(self._request(attempt, endpoint), attempt.deliver)
        except Exception as error:  # of the resolver or the transport: the call's own
            if post is not None:
                name_it(self._channel_of(attempt), error, "post()")
            attempt.set(None, error)

    def failed(self, attempt: Attempt, reply: Any, error: BaseException | None) -> None:
        """A posted call ended with what is neither a reply nor an answer of the transport."""
        attempt.set(None, failure_of(self._channel_of(attempt), reply, error))

    def expire(self, attempt: Attempt) -> None:
        """Nobody has told the end of a posted call: it ends now."""
        attempt.set(None, mute(self._channel_of(attempt), attempt.what, attempt.deadline - attempt.began))

    def _channel_of(self, attempt: Attempt) -> Channel | None:
        return self._channels.get(attempt.endpoint.address) if attempt.endpoint is not None else None

    def try_again(self, attempt: Attempt, error: TransportError) -> None:
        """A posted call has failed: it ends so, or is left to the thread that launches it again."""
        assert attempt.endpoint is not None
        try:
            attempt.not_before = time.monotonic() + self.next_pause(attempt, attempt.endpoint, error)
        except TransportError as final:
            attempt.set(None, final)
        else:
            self._retries.add(attempt)

    def _post_to(self, endpoint: Endpoint, attempt: Attempt) -> Callable[[Request, Deliver], None]:
        channel = self._channel(endpoint, attempt.deadline)
        post = channel.post if isinstance(channel, SupportsPost) else partial(submit_to, channel)
        self._posts[endpoint.address] = post
        return post

    def next_pause(self, attempt: Attempt, endpoint: Endpoint, error: TransportError) -> float:
        """Seconds until the next try. Raises when there is none."""
        if not self._may_repeat(error):
            raise error
        self._channels.pop(endpoint.address, None)
        self._posts.pop(endpoint.address, None)
        if isinstance(self.resolver, _Forgetful):
            self.resolver.forget(self.name)
        missing = isinstance(error, Refused) and error.code == "not_found"
        if missing:
            attempt.refused |= {endpoint}
        else:
            attempt.avoided |= {endpoint}
        pause = 0.0 if attempt.tries == 0 else min(_FIRST_PAUSE * 2 ** (attempt.tries - 1), _LONGEST_PAUSE)
        attempt.tries += 1
        attempt.trouble = error
        if time.monotonic() + pause >= attempt.deadline:
            raise self.late(attempt) from error
        return pause

    def late(self, attempt: Attempt, seen: Seen | None = None) -> TransportError:
        """The error at the deadline."""
        waited = time.monotonic() - attempt.began
        if isinstance(attempt.trouble, Lost):  # of an idempotent call
            return attempt.trouble
        last = attempt.trouble if attempt.trouble is not None else seen or "nothing"
        return ActorUnavailable(
            f"{self.name}.{attempt.method}: nobody took the call within {waited:.1f} s; last seen: {last}"
        )

    def _find(self, attempt: Attempt) -> Endpoint:
        seen = Seen(self.name)
        endpoints = attempt.candidates(seen.ask(self.resolver, attempt.deadline))
        if not endpoints:
            self._give_up_if_refused(attempt)
            if not wait_for_endpoints(
                self.resolver, seen, lambda found: bool(attempt.candidates(found)), attempt.deadline
            ):
                raise self.late(attempt, seen)
            endpoints = attempt.candidates(seen.endpoints)
        return self._choose(endpoints)

    def _give_up_if_refused(self, attempt: Attempt) -> None:
        """Whoever has the name does not have the actor: nothing will change by waiting."""
        if attempt.refused and attempt.trouble is not None:
            raise attempt.trouble

    def _may_repeat(self, error: TransportError) -> bool:
        if not self._retry or isinstance(error, DeadlineExceeded):
            return False
        if isinstance(error, Refused):
            return error.code in _PASSING or error.code == "not_found"
        return isinstance(error, NotSent) or self.idempotent

    def _request(self, attempt: Attempt, endpoint: Endpoint) -> Request:
        head, buffers = attempt.payload
        left = self.timeout
        if attempt.tries or attempt.endpoint is None:  # some of it is spent
            left = max(attempt.deadline - time.monotonic(), 0.001)
        return Request(self.name, attempt.method, head, buffers, endpoint.uid, left, self.idempotent)

    def _channel(self, endpoint: Endpoint, deadline: float) -> Channel:
        channel = self._channels.get(endpoint.address)
        if channel is None:
            token = self.resolver.token or ambient.token_to_show()
            left = max(deadline - time.monotonic(), 0.05)
            channel = ambient.shared_channel(endpoint.address, token, ambient.transport(), left)
            self._channels[endpoint.address] = channel
        return channel
