"""Contact: who the worker's controller is, what it was told last, and for how long it has been away."""

from __future__ import annotations

import threading
import time
from typing import Final

from iris_api.platform import Lease
from iris_api.rpc import cluster_pb2 as pb
from iris_api.rpc.incarnation import next_incarnation
from iris_worker.config import WorkerConfig

__all__ = ["Contact"]

_HOLD: Final = 10.0  # seconds
_ANSWER: Final = 5.0  # seconds
_LEAST: Final = 0.5  # seconds that an answer may take however short the grace is
_LONGEST: Final = 30.0  # seconds between two tries; what is above that, this process was suspended
_SAFE: Final = 2 / 3  # of the grace: a poll may have been held for the last third when the worker died


class Contact:
    """Safe from several threads. The first cluster that answers is this worker's, unless it was told one."""

    def __init__(self, config: WorkerConfig) -> None:
        self._worker_id = config.worker_id
        self.incarnation = next_incarnation("")  # until the directory has told another
        self._lock = threading.Lock()
        self._cluster = config.cluster
        self._grace, self._absence = config.worker_grace, config.absence
        self._away = 0.0  # seconds without a word
        self._looked = time.monotonic()

    @property
    def cluster(self) -> str:
        """Empty until it is known."""
        return self._cluster

    @property
    def lease(self) -> Lease:
        """That of an attempt which starts now."""
        with self._lock:
            return Lease(grace=self._grace * _SAFE, absence=self._absence)

    @property
    def hold(self) -> float:
        """Seconds that the controller may sit on a poll: the worker is silent meanwhile."""
        with self._lock:
            return min(_HOLD, self._grace / 3)

    @property
    def patience(self) -> float:
        """Seconds to wait for an answer. A poll that is lost on the way must not cost the whole grace,
        of which two thirds go by while it and the one before are held."""
        with self._lock:
            return max(_LEAST, min(_ANSWER, self._grace / 6))

    def accept(self, reply: pb.ReconcileReply) -> str:
        """Take over what the controller said of itself; why the answer is not for this worker, if so."""
        with self._lock:
            if why := self._foreign(reply):
                return why
            self._cluster = reply.cluster
            self._grace, self._absence = reply.worker_grace, reply.absence
            self._away, self._looked = 0.0, time.monotonic()
            return ""

    def miss(self) -> str:
        """A try has brought nothing. Why the attempts are to end, once the controller was away too long."""
        with self._lock:
            now = time.monotonic()
            self._away += min(now - self._looked, _LONGEST)
            self._looked = now
            if self._away < self._absence:
                return ""
            return f"worker {self._worker_id} had no word from its controller for {self._away:.0f} s"

    def _foreign(self, reply: pb.ReconcileReply) -> str:
        if self._cluster and reply.cluster != self._cluster:
            return f"the answer is of cluster {reply.cluster!r}, and this worker belongs to {self._cluster!r}"
        if (reply.worker_id, reply.incarnation) != (self._worker_id, self.incarnation):
            return (
                f"the answer is for worker {reply.worker_id!r} (incarnation {reply.incarnation!r}), "
                f"and this is {self._worker_id!r} ({self.incarnation!r})"
            )
        return ""
