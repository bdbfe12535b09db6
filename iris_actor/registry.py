"""EndpointRegistry: keeps names at the controller, as long as their owner is alive."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Mapping
from typing import Final, TypeVar

from google.protobuf.message import Message

from iris_api.credentials import Token
from iris_api.errors import InvalidSpec, Lost, NotInJob, NotSent, Refused, TransportError
from iris_api.ids import namespace_of, new_uid, qualify
from iris_api.job_info import JobInfo
from iris_api.rpc import cluster_pb2 as pb
from iris_api.rpc.client import RpcClient
from iris_api.threads import ManagedThread, ThreadContainer, get_thread_registry

__all__ = ["EndpointRegistry"]

_SERVICE: Final = "/iris.cluster.v1.Endpoints/"
_LEASE: Final = 30.0  # seconds
_RENEWAL: Final = 10.0  # seconds
_PATIENCE: Final = 30.0  # seconds that a registration is tried for
_log = logging.getLogger("iris.registry")

M = TypeVar("M", bound=Message)


class EndpointRegistry:
    """Names in `namespace` (None: cluster-wide), owned by `attempt_uid`. One thread renews them all,
    from the first registration to the last unregistration."""

    def __init__(
        self,
        address: str,
        *,
        token: Token | None = None,
        namespace: str | None = None,
        attempt_uid: str = "",
        threads: ThreadContainer | None = None,
    ) -> None:
        self._rpc = RpcClient(address, token)
        self._namespace = namespace
        self._attempt_uid = attempt_uid
        self._threads = threads
        self._lock = threading.Lock()
        self._endpoints: dict[str, pb.Endpoint] = {}  # by uid
        self._renewer: ManagedThread | None = None
        self._closing = threading.Event()

    @classmethod
    def of_job(cls, info: JobInfo, *, threads: ThreadContainer | None = None) -> EndpointRegistry:
        """The registry for names in the job's namespace, that end with this attempt."""
        if not info.controller_address:
            raise NotInJob(f"job {info.job_id} has no controller to register names at")
        namespace = namespace_of(info.job_id)
        return cls(
            info.controller_address,
            token=info.token,
            namespace=namespace,
            attempt_uid=info.attempt_uid,
            threads=threads,
        )

    def register(
        self, name: str, address: str, metadata: Mapping[str, str] | None = None, *, uid: str = ""
    ) -> str:
        """Have `name` mean `address` (``host:port`` means http) until `unregister`; returns the uid.

        Blocks until the controller has it, 30 seconds at most. Raises TransportError.
        """
        endpoint = pb.Endpoint(
            uid=uid or new_uid(),
            name=qualify(name, self._namespace),
            address=_full(address),
            attempt_uid=self._attempt_uid,
            metadata=dict(metadata or {}),
        )
        self._send(endpoint)
        with self._lock:
            self._endpoints[endpoint.uid] = endpoint
            self._start_renewing()
        return endpoint.uid

    def unregister(self, name_or_uid: str) -> None:
        """Give up a name, or the registration with that uid. What is not registered is fine."""
        full = qualify(name_or_uid, self._namespace)
        with self._lock:
            uids = [uid for uid, e in self._endpoints.items() if name_or_uid == uid or full == e.name]
            for uid in uids:
                del self._endpoints[uid]
        if uids:
            request = pb.UnregisterEndpointsRequest(uids=uids)
            with contextlib.suppress(TransportError):  # the lease ends it, then
                self._call("Unregister", request, pb.UnregisterEndpointsReply, 5.0)

    def close(self, timeout: float = 5.0) -> None:
        """Give up all names, and a registration that is being tried. Idempotent."""
        self._closing.set()
        with self._lock:
            uids, renewer = list(self._endpoints), self._renewer
            self._endpoints.clear()
            self._renewer = None
        if renewer is not None:
            renewer.stop_event.set()
        if uids:
            request = pb.UnregisterEndpointsRequest(uids=uids)
            with contextlib.suppress(TransportError):
                self._call("Unregister", request, pb.UnregisterEndpointsReply, timeout)
        self._rpc.close()
        if renewer is not None:
            renewer.stop(timeout)

    def _send(self, endpoint: pb.Endpoint) -> None:
        """Register; repeating is safe, since the uid is the same."""
        request = pb.RegisterEndpointRequest(endpoint=endpoint, lease_seconds=_LEASE)
        deadline = time.monotonic() + _PATIENCE
        pause = 0.05
        while True:
            try:
                left = max(deadline - time.monotonic(), 0.1)
                self._call("Register", request, pb.RegisterEndpointReply, left)
                return
            except (NotSent, Lost):
                if self._closing.is_set() or time.monotonic() + pause >= deadline:
                    raise
            self._closing.wait(pause)
            pause = min(pause * 2, 1.0)

    def _start_renewing(self) -> None:
        if self._renewer is None or not self._renewer.is_alive():
            threads = self._threads or get_thread_registry().container
            self._renewer = threads.spawn_loop(self._renew_loop, "endpoint-renewal")

    def _renew_loop(self, stop: threading.Event) -> None:
        while not stop.wait(_RENEWAL):
            with self._lock:
                uids = list(self._endpoints)
            if uids:
                try:
                    self.renew(uids)
                except TransportError as error:  # the lease outlives two failures
                    _log.warning("endpoints could not be renewed: %s", error)

    def renew(self, uids: list[str]) -> None:
        """Prolong the leases; what the controller has forgotten is registered again."""
        request = pb.RenewEndpointsRequest(uids=uids, lease_seconds=_LEASE)
        reply = self._call("Renew", request, pb.RenewEndpointsReply, _RENEWAL)
        for uid in reply.unknown:
            with self._lock:
                endpoint = self._endpoints.get(uid)
            if endpoint is None:
                continue
            try:
                self._call(
                    "Register",
                    pb.RegisterEndpointRequest(endpoint=endpoint, lease_seconds=_LEASE),
                    pb.RegisterEndpointReply,
                    _RENEWAL,
                )
            except Refused as refused:  # a newer attempt has the name, or this one is over
                if refused.code in ("unavailable", "resource_exhausted"):
                    raise
                _log.warning("endpoint %s is given up: %s", endpoint.name, refused)
                with self._lock:
                    self._endpoints.pop(uid, None)

    def _call(self, method: str, request: Message, reply: type[M], timeout: float) -> M:
        return self._rpc.call(_SERVICE + method, request, reply, timeout)


def _full(address: str) -> str:
    scheme, separator, rest = address.partition("://")
    if not separator:
        scheme, rest = "http", address
    host, colon, port = rest.rpartition(":")
    if not host or not colon or not port.isdigit():
        raise InvalidSpec(f"address {address!r} is not allowed: expected host:port or scheme://host:port")
    return f"{scheme}://{rest}"
