"""Calls of the controller: one retry policy, and refusals as the errors that a user knows."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from iris.client.errors import AccessDenied, ControllerUnreachable, JobExists, JobNotFound, VersionMismatch
from iris_api.credentials import Token, cluster_token
from iris_api.errors import InvalidSpec, IrisError, Refused, TransportError
from iris_api.job_info import get_job_info

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from iris_api.rpc.client import RpcClient

__all__ = ["Connection", "connect", "disconnect"]

FIRST_CONTACT: Final = 5.0  # seconds to go on trying an address that has never answered
FIRST_ANSWER: Final = 10.0  # seconds that it gets for the first answer,
FIRST_SPEED: Final = 1e5  # beside those that a request takes at so many bytes a second
ANSWER: Final = 30.0  # seconds for an answer of a controller that has answered before
GAP: Final = 60.0  # seconds to go on trying a controller that has answered before
_BACKOFF: Final = (0.05, 0.1, 0.2, 0.4, 0.8, 1.0)  # seconds; the last one repeats

M = TypeVar("M", bound="Message")
T = TypeVar("T")

_ERRORS: Final[dict[str, type[IrisError]]] = {
    "unauthenticated": AccessDenied,
    "permission_denied": AccessDenied,
    "not_found": JobNotFound,
    "already_exists": JobExists,
    "invalid_argument": InvalidSpec,
    "unimplemented": VersionMismatch,
}


class Connection:
    """One controller. Safe from several threads; connects at the first call."""

    def __init__(self, address: str, token: Token | None) -> None:
        self.address = address.rstrip("/")
        self.token = token
        self.ended = False  # its cluster is gone, and will not be back
        self._answered = False
        self._rpc: RpcClient | None = None
        self._lock = threading.Lock()

    def call(
        self,
        service: str,
        method: str,
        request: Message,
        reply: type[M],
        hold: float = 0.0,
        deadline: float | None = None,
    ) -> M:
        """Call ``iris.cluster.v1.<service>/<method>``, every one of which may be repeated.

        `hold`: seconds that the controller may sit on it. All tries end by `deadline` (monotonic seconds)
        where that is given. Raises as `persist`.
        """
        path = f"/iris.cluster.v1.{service}/{method}"

        def ask() -> M:
            patience = ANSWER if self._answered else FIRST_ANSWER + request.ByteSize() / FIRST_SPEED
            timeout = hold + patience
            left = timeout if deadline is None else min(timeout, max(deadline - time.monotonic(), 0.05))
            return self._client().call(path, request, reply, left)

        return self.persist(ask, deadline)

    def persist(self, ask: Callable[[], T], deadline: float | None = None) -> T:
        """What `ask`, which may be repeated, brings from the controller.

        What got no answer (TransportError) is tried again: for FIRST_CONTACT seconds where nobody has
        ever answered, and this is no task of that controller's, else for GAP seconds, and not after
        `deadline`. Raises ControllerUnreachable then, and the errors of iris.client.errors for what the
        controller refuses.
        """
        if self.ended:
            raise ControllerUnreachable(f"the cluster at {self.address} was shut down")
        began = time.monotonic()
        for attempt in range(1_000_000):
            try:
                answer = ask()
            except Refused as refused:
                raise _as_known(refused) from refused
            except TransportError as error:
                waited = time.monotonic() - began
                pause = _BACKOFF[min(attempt, len(_BACKOFF) - 1)]
                patience = GAP if self._answered or _is_own(self.address) else FIRST_CONTACT
                if deadline is not None:
                    patience = min(patience, deadline - began)
                if waited + pause > patience:
                    raise self._unreachable(waited, error) from error
                time.sleep(pause)
            else:
                self._answered = True
                return answer
        raise AssertionError("the loop above ends by its clock")

    def _unreachable(self, waited: float, error: TransportError) -> ControllerUnreachable:
        since = "no longer answers" if self._answered else "does not answer"
        return ControllerUnreachable(
            f"the controller at {self.address} {since} (tried for {waited:.1f} s): {error}"
        )

    def _client(self) -> RpcClient:
        with self._lock:
            if self._rpc is None:
                from iris_api.rpc.client import RpcClient

                self._rpc = RpcClient(self.address, self.token)
            return self._rpc

    def close(self) -> None:
        with self._lock:
            if self._rpc is not None:
                self._rpc.close()
                self._rpc = None


def _is_own(address: str) -> bool:
    """Whether this code runs in a task which that controller has started: so it is no mistyped one."""
    info = get_job_info()
    return info is not None and info.controller_address == address


def _as_known(refused: Refused) -> IrisError:
    kind = _ERRORS.get(refused.code)
    return kind(refused.message) if kind else refused


_shared: dict[tuple[str, Token | None], Connection] = {}
_shared_lock = threading.Lock()


def connect(address: str, token: Token | None = None) -> Connection:
    """The connection of this process to `address`; without a token the one that is noted for it."""
    address = address.rstrip("/")
    token = token or cluster_token(address)
    with _shared_lock:
        return _shared.setdefault((address, token), Connection(address, token))


def disconnect(address: str | None = None) -> None:
    """The cluster at `address`, or every one, is gone for this process: calls of it fail at once."""
    with _shared_lock:
        for key in [key for key in _shared if address in (None, key[0])]:
            connection = _shared.pop(key)
            connection.ended = True
            connection.close()


atexit.register(disconnect)
