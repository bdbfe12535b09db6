"""Attempt: one call on its way, what has become of it, and who waits for that.

A loop that fires thousands of calls makes thousands of these: there is one object for all of it, and nothing
in it that is needed only when somebody waits or something fails is made before.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from iris_api.errors import TransportError
from iris_api.resolver import Endpoint
from iris_api.serialize import Payload
from iris_api.transport import Reply

if TYPE_CHECKING:
    from iris_actor.caller import Caller

__all__ = ["Attempt"]

_NOBODY: Final[frozenset[Endpoint]] = frozenset()
_lock = threading.Lock()  # of all attempts: held for a few assignments
_log = logging.getLogger("iris.actor")


def _renew_lock() -> None:
    """In a forked child: another thread of the parent may have held it."""
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)


class Attempt:
    """One call, tried until it is delivered, its deadline passes, or it may have run.

    `reply` or `error` is set once, by whoever brings it. `avoided` did not take the call and are tried again
    if there is nobody else; `refused` do not have the actor. `trouble` is why the last try failed.
    """

    __slots__ = (
        "_callbacks",
        "avoided",
        "began",
        "caller",
        "deadline",
        "dropped",
        "endpoint",
        "error",
        "is_set",
        "method",
        "not_before",
        "payload",
        "refused",
        "reply",
        "tries",
        "trouble",
    )

    def __init__(self, caller: Caller, method: str, payload: Payload, timeout: float) -> None:
        self.caller = caller
        self.method = method
        self.payload = payload
        self.began = time.monotonic()
        self.deadline = self.began + timeout
        self.endpoint: Endpoint | None = None
        self.tries = 0
        self.not_before = 0.0
        self.avoided = self.refused = _NOBODY
        self.trouble: TransportError | None = None
        self.reply: Reply | None = None
        self.error: BaseException | None = None
        self.is_set = self.dropped = False
        self._callbacks: tuple[Callable[[], None], ...] = ()

    @property
    def what(self) -> str:
        return f"{self.caller.name}.{self.method}"

    def candidates(self, endpoints: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
        """Those of `endpoints` to try next."""
        if not self.tries:
            return endpoints
        able = tuple(e for e in endpoints if e not in self.refused)
        return tuple(e for e in able if e not in self.avoided) or able

    def deliver(self, reply: Reply | None, error: BaseException | None) -> None:
        """What came of the last try: the end, or another one."""
        if error is None and isinstance(reply, Reply):
            self.set(reply)
        elif isinstance(error, TransportError):
            self.caller.try_again(self, error)
        else:
            self.caller.failed(self, reply, error)

    def set(self, reply: Reply | None, error: BaseException | None = None) -> None:
        """The end. A second one does not count."""
        with _lock:
            if self.is_set:
                return
            self.reply, self.error = reply, error
            self.is_set = True
            callbacks, self._callbacks = self._callbacks, ()
        if self.dropped and (failure := self.failure()):
            _log.warning("%s failed, and nobody holds its future: %s", self.what, failure)
        for callback in callbacks:
            callback()

    def when_set(self, callback: Callable[[], None]) -> None:
        """Call it at the end, from whatever thread brings that, or now."""
        with _lock:
            if not self.is_set:
                self._callbacks = (*self._callbacks, callback)
                return
        callback()

    def wait(self, timeout: float) -> bool:
        if self.is_set:
            return True
        event = threading.Event()
        self.when_set(event.set)
        return event.wait(timeout)

    def failure(self) -> str:
        """What went wrong, in words; empty if nothing did."""
        if self.error is not None:
            return f"{type(self.error).__name__}: {self.error}"
        failure = self.reply.failure if self.reply is not None else None
        return f"{failure.type}: {failure.message}" if failure is not None else ""
