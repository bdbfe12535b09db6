"""Caller: brings calls to whoever has a name, and repeats what cannot have run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Final, Protocol, runtime_checkable

from iris_actor import ambient
from iris_actor.decoding import decode
from iris_actor.errors import ActorUnavailable
from iris_actor.futures import ActorFuture, Outcome, call_site
from iris_actor.payload import dump_arguments, snapshot
from iris_actor.retries import Retries
from iris_actor.waiting import Seen, wait_for_endpoints
from iris_api.errors import DeadlineExceeded, Lost, NotSent, Refused, TransportError
from iris_api.resolver import Endpoint, Resolver
from iris_api.serialize import Payload
from iris_api.threads import ThreadContainer
from iris_api.transport import Channel, Reply, Request

__all__ = ["Attempt", "Caller", "Choose", "first"]

_PASSING: Final = frozenset({"unavailable", "resource_exhausted", "aborted"})  # "aborted": fenced
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0

Choose = Callable[[tuple[Endpoint, ...]], Endpoint]


def first(endpoints: tuple[Endpoint, ...]) -> Endpoint:
    return endpoints[0]


@runtime_checkable
class _Forgetful(Protocol):
    """A resolver that remembers what it was told, and can be told to ask again."""

    def forget(self, name: str) -> None: ...


class Attempt:
    """One call, tried until it is delivered, its deadline passes, or it may have run."""

    def __init__(self, method: str, payload: Payload, timeout: float, outcome: Outcome | None = None) -> None:
        self.method = method
        self.payload = payload
        self.began = time.monotonic()
        self.deadline = self.began + timeout
        self.outcome = outcome
        self.tries = 0
        self.not_before = 0.0
        self.avoided: set[Endpoint] = set()  # did not take the call; tried again when there is no other
        self.refused: set[Endpoint] = set()  # do not have the actor
        self.error: TransportError | None = None

    def candidates(self, endpoints: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
        if not self.tries:
            return endpoints
        able = tuple(e for e in endpoints if e not in self.refused)
        return tuple(e for e in able if e not in self.avoided) or able


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
        self._retries = Retries(self, threads)

    def call(self, method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Call and wait, in this thread. Raises the application's exception, or a TransportError."""
        attempt = Attempt(method, dump_arguments(args, kwargs, f"{self.name}.{method}"), self.timeout)
        while True:
            endpoint = self._find(attempt)
            try:
                reply = self._channel(endpoint).call(self._request(attempt, endpoint))
            except TransportError as error:
                time.sleep(self.next_pause(attempt, endpoint, error))
            else:
                return decode(reply, self._what(method, endpoint))

    def remote(self, method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> ActorFuture:
        """Call without waiting; arguments are pickled now."""
        payload = dump_arguments(args, kwargs, f"{self.name}.{method}")
        outcome = Outcome(f"{self.name}.{method}")
        attempt = Attempt(method, snapshot(payload) if payload[1] else payload, self.timeout, outcome)
        self.launch(attempt)
        return ActorFuture(outcome, attempt.deadline, call_site())

    def launch(self, attempt: Attempt) -> None:
        """Submit the call if somebody has the name, else leave it to the thread that waits for that."""
        outcome = attempt.outcome
        assert outcome is not None
        try:
            endpoints = attempt.candidates(Seen(self.name).ask(self.resolver))
            if not endpoints:
                self._give_up_if_refused(attempt)
                self._retries.add(attempt)
                return
            endpoint = self._choose(endpoints)
            sent = self._channel(endpoint).submit(self._request(attempt, endpoint))
        except Exception as error:  # of the resolver or the transport: the call's own
            outcome.set(None, error)
            return
        sent.add_done_callback(lambda done: self._settle(attempt, endpoint, done))

    def next_pause(self, attempt: Attempt, endpoint: Endpoint, error: TransportError) -> float:
        """Seconds until the next try. Raises when there is none."""
        if not self._may_repeat(error):
            raise error
        self._channels.pop(endpoint.address, None)
        if isinstance(self.resolver, _Forgetful):
            self.resolver.forget(self.name)
        missing = isinstance(error, Refused) and error.code == "not_found"
        (attempt.refused if missing else attempt.avoided).add(endpoint)
        pause = 0.0 if attempt.tries == 0 else min(_FIRST_PAUSE * 2 ** (attempt.tries - 1), _LONGEST_PAUSE)
        attempt.tries += 1
        attempt.error = error
        if time.monotonic() + pause >= attempt.deadline:
            raise self.late(attempt) from error
        return pause

    def late(self, attempt: Attempt, seen: Seen | None = None) -> TransportError:
        """The error at the deadline."""
        waited = time.monotonic() - attempt.began
        if isinstance(attempt.error, Lost):  # of an idempotent call
            return attempt.error
        last = attempt.error if attempt.error is not None else seen or "nothing"
        return ActorUnavailable(
            f"{self.name}.{attempt.method}: nobody took the call within {waited:.1f} s; last seen: {last}"
        )

    def _find(self, attempt: Attempt) -> Endpoint:
        seen = Seen(self.name)
        endpoints = attempt.candidates(seen.ask(self.resolver))
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
        if attempt.refused and attempt.error is not None:
            raise attempt.error

    def _may_repeat(self, error: TransportError) -> bool:
        if not self._retry or isinstance(error, DeadlineExceeded):
            return False
        if isinstance(error, Refused):
            return error.code in _PASSING or error.code == "not_found"
        return isinstance(error, NotSent) or self.idempotent

    def _settle(self, attempt: Attempt, endpoint: Endpoint, done: Future[Reply]) -> None:
        outcome = attempt.outcome
        assert outcome is not None
        error = done.exception()
        if error is None:
            outcome.set(done.result())
        elif isinstance(error, TransportError):
            try:
                attempt.not_before = time.monotonic() + self.next_pause(attempt, endpoint, error)
            except TransportError as final:
                outcome.set(None, final)
            else:
                self._retries.add(attempt)
        else:
            outcome.set(None, error)

    def _request(self, attempt: Attempt, endpoint: Endpoint) -> Request:
        head, buffers = attempt.payload
        left = attempt.deadline - time.monotonic()
        left = max(left, 0.001)
        return Request(self.name, attempt.method, head, buffers, endpoint.uid, left, self.idempotent)

    def _channel(self, endpoint: Endpoint) -> Channel:
        channel = self._channels.get(endpoint.address)
        if channel is None:
            token = self.resolver.token or ambient.token_to_show()
            channel = ambient.shared_channel(endpoint.address, token, ambient.transport())
            self._channels[endpoint.address] = channel
        return channel

    def _what(self, method: str, endpoint: Endpoint) -> str:
        return f"{self.name}.{method} at {endpoint.address}"
