"""Worker: two loops between a controller's desire and this machine's attempts.

PULL asks what should be here and acts on it. PUSH says what is here when there are news. Every request
carries all that is here, numbered, so that none can be lost and an old one cannot undo a new one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from iris_api.errors import Refused, TransportError
from iris_api.platform import Runtime
from iris_api.plugins import PluginCalls
from iris_api.rpc import cluster_pb2 as pb
from iris_api.rpc.client import RpcClient
from iris_api.threads import ThreadContainer, get_thread_registry
from iris_worker.attempts import Attempts
from iris_worker.claim import Claim
from iris_worker.config import WorkerConfig
from iris_worker.contact import Contact
from iris_worker.logs import LogPusher
from iris_worker.news import News

__all__ = ["Worker"]

_log = logging.getLogger("iris.worker")
_PATH: Final = "/iris.cluster.v1.Workers/Reconcile"
_ANSWER: Final = 10.0  # seconds for the answer itself
_HANGS: Final = 120.0  # seconds for the start of a sandbox
_PERIOD: Final = 30.0
_GOODBYE: Final = 2.0  # seconds for the last word
_PAUSES: Final = (0.1, 0.2, 0.5, 1.0, 2.0)  # seconds between tries while the controller is away
_QUIET: Final = 30.0  # seconds between log lines about one trouble


class Worker:
    """`start` and `stop` once each."""

    def __init__(
        self,
        config: WorkerConfig,
        runtime: Runtime,
        *,
        threads: ThreadContainer | None = None,
        plugin: str = "",
        clock: Callable[[], float] = time.monotonic,
        period: float = _PERIOD,
    ) -> None:
        """`plugin` is how messages name whose `runtime` it is. Every `period` seconds there is a look
        whether a call of it hangs, by `clock`."""
        self.config = config
        owner = threads if threads is not None else get_thread_registry().container
        self._threads = owner.child(f"worker-{config.worker_id}")
        self._pull_rpc, self._push_rpc, self._logs_rpc = (
            RpcClient(config.controller_address, config.token) for _ in range(3)
        )
        self._news = News()
        self._closing = threading.Event()
        self._contact = Contact(config)
        self._pusher = LogPusher(self._logs_rpc, lambda: self._contact.cluster)
        self._calls = PluginCalls(plugin, clock=clock)
        self._period = period
        self._attempts = Attempts(
            config,
            runtime,
            self._pusher,
            self._contact,
            self._news,
            self._threads.child("attempts"),
            self._calls,
        )
        self._trouble = ""
        self._said_at = -_QUIET
        self._evicted = ""
        self._claim: Claim | None = None

    def start(self) -> None:
        """Take over what an earlier process with this id left, then serve. Returns at once. Raises
        PlatformError where that process still runs, and as the runtime's `adopt`."""
        self._claim = Claim(self.config.directory)
        self._contact.incarnation = self._claim.incarnation
        try:
            self._attempts.adopt()
        except BaseException:
            self._release()
            raise
        self._attempts.sweep(self._threads)
        self._threads.spawn_loop(self._watch, name="watch")
        self._threads.spawn_loop(self._pusher.run, name="logs", on_stop=self._pusher.wake)
        self._threads.spawn_loop(self._push, name="push", on_stop=self._news.tell)
        self._threads.spawn_loop(self._pull, name="pull")

    def is_alive(self) -> bool:
        """True until it is stopped, or told by its controller that a newer process has its id."""
        return not (self._closing.is_set() or self._evicted)

    def trouble(self) -> list[str]:
        """Why it does not do its work; empty while it does."""
        return [text for text in (self._evicted, self._trouble, *self._threads.unhealthy()) if text]

    def hangs(self) -> list[str]:
        """A sentence for each call that the runtime does not return from."""
        return [f"worker {self.config.worker_id}: {late}" for late in self._calls.overdue(_HANGS)]

    def stop(self, timeout: float = 10.0) -> None:
        """End all attempts, report them and leave; blocks for at most `timeout` seconds. Idempotent."""
        if self._closing.is_set():
            return
        self._closing.set()
        deadline = time.monotonic() + timeout
        self._attempts.end_all(deadline - _GOODBYE, f"worker {self.config.worker_id} was stopped")
        if not self._evicted:
            self._say_goodbye()
        self._attempts.wait_swept(max(0.5, deadline - time.monotonic()))
        self._release(max(0.5, deadline - time.monotonic()))

    def _release(self, timeout: float = 0.5) -> None:
        for client in (self._pull_rpc, self._push_rpc, self._logs_rpc):
            client.close()
        self._threads.stop(timeout)
        if self._claim is not None:
            self._claim.release()

    def _say_goodbye(self) -> None:
        request = self._attempts.observe()
        request.report_only = request.leaving = True
        try:
            self._push_rpc.call(_PATH, request, pb.ReconcileReply, timeout=_GOODBYE)
        except TransportError as error:
            _log.info("worker %s leaves without a word: %s", self.config.worker_id, error)
        else:
            self._attempts.forget(request)

    def _pull(self, stop: threading.Event) -> None:
        failures = 0
        while self.is_alive() and not stop.is_set():
            request = self._attempts.observe()
            hold = 0.0 if failures else self._contact.hold  # a first word shows that all is well
            request.hold_ms = int(hold * 1000)
            reply = self._call(self._pull_rpc, request, hold + self._contact.patience)
            if reply is None:
                if why := self._contact.miss():
                    self._attempts.stop_all(why)
                self._closing.wait(_PAUSES[min(failures, len(_PAUSES) - 1)])
                failures += 1
            elif self.is_alive():
                failures = 0
                self._attempts.forget(request)
                self._attempts.act(reply)

    def _watch(self, stop: threading.Event) -> None:
        """Log once each call that the runtime does not return from."""
        while not stop.wait(self._period):
            for late in self._calls.newly_overdue(_HANGS):
                _log.error("worker %s: %s", self.config.worker_id, late)

    def _push(self, stop: threading.Event) -> None:
        while True:
            self._news.wait()
            if not self.is_alive() or stop.is_set():
                return
            request = self._attempts.observe()
            request.report_only = True
            if self._call(self._push_rpc, request, _ANSWER) is None:
                self._news.tell()
                self._closing.wait(_PAUSES[-1])
            else:
                self._attempts.forget(request)

    def _call(self, rpc: RpcClient, request: pb.ReconcileRequest, timeout: float) -> pb.ReconcileReply | None:
        """The controller's answer, or None where it has none now, or one that is for another worker."""
        try:
            reply = rpc.call(_PATH, request, pb.ReconcileReply, timeout=timeout)
        except Refused as refused:
            if refused.code == "aborted" and not self._closing.is_set():
                self._evict(refused.message)
            self._note(f"gets no answer from its controller: {refused}")
        except TransportError as error:
            self._note(f"gets no answer from its controller: {error}")
        else:
            if not (foreign := self._contact.accept(reply)):
                self._trouble = ""
                return reply
            self._note(f"does not obey {rpc.address}: {foreign}")
        return None

    def _evict(self, why: str) -> None:
        """A newer process has this worker's id: what runs here is not wanted any more."""
        _log.error("worker %s ends: %s", self.config.worker_id, why)
        self._evicted = why
        reason = f"its worker was replaced: {why}"
        self._threads.spawn(
            lambda _stop: self._attempts.end_all(time.monotonic() + _ANSWER, reason), name="evict"
        )

    def _note(self, trouble: str) -> None:
        if self._closing.is_set():
            return
        self._trouble = f"worker {self.config.worker_id} {trouble}"
        if time.monotonic() - self._said_at > _QUIET:
            self._said_at = time.monotonic()
            _log.warning("%s; it goes on trying", self._trouble)
