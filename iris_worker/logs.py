"""The output of attempts on its way to the controller: in order, each line once, bounded in memory."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from iris_api.errors import IrisError, Refused
from iris_api.rpc import cluster_pb2 as pb
from iris_api.rpc.client import RpcClient

__all__ = ["AttemptLog", "LogPusher"]

_log = logging.getLogger("iris.worker.logs")
_BATCH_BYTES: Final = 2 * 2**20  # in one request, but for a longer line
_TAIL: Final = 50  # lines kept for the report of the end
_PAUSES: Final = (0.1, 0.2, 0.5, 1.0, 2.0)  # seconds between tries while the controller is away


class AttemptLog:
    """The LogSink of one attempt. `write` never blocks, and never drops: the runtime bounds what comes
    (`Launch.output_limit`), so that is the most that waits while the controller is away or slow."""

    def __init__(self, uid: str, task_id: str, pusher: LogPusher) -> None:
        self.uid, self.task_id = uid, task_id
        self._pusher = pusher
        self._lock = threading.Lock()
        self._empty = threading.Condition(self._lock)
        self._waiting: deque[bytes] = deque()
        self._sent = 0
        self._wanted = True
        self._tail: deque[str] = deque(maxlen=_TAIL)

    def write(self, source: str, data: str, timestamp_us: int) -> None:
        line = _line(source, data, timestamp_us)
        with self._lock:
            self._tail.append(data)
            if not self._wanted:
                return
            self._waiting.append(line)
        self._pusher.has_news(self)

    def last_lines(self) -> tuple[str, ...]:
        with self._lock:
            return tuple(self._tail)

    def wait_sent(self, timeout: float | None) -> bool:
        """Block until the controller has all of it; False on expiry."""
        with self._empty:
            return self._empty.wait_for(lambda: not self._waiting, timeout)

    def batch(self) -> pb.AppendLogsRequest | None:
        """What to send next; None if the controller has all."""
        with self._lock:
            if not self._waiting:
                return None
            lines = list(_first(self._waiting, _BATCH_BYTES))
            first = self._sent
        return pb.AppendLogsRequest(
            attempt_uid=self.uid, task_id=self.task_id, first=first, count=len(lines), lines=b"".join(lines)
        )

    def sent_up_to(self, index: int) -> bool:
        """The controller has every line before `index`; True if there are more."""
        with self._lock:
            while self._waiting and self._sent < index:
                self._waiting.popleft()
                self._sent += 1
            if not self._waiting:
                self._empty.notify_all()
            return bool(self._waiting)

    def discard(self) -> None:
        """Nobody wants it, nor what is still to come."""
        with self._lock:
            self._wanted = False
            self._waiting.clear()
            self._empty.notify_all()


def _line(source: str, data: str, timestamp_us: int) -> bytes:
    """As the controller keeps it: one line, whatever `data` holds."""
    if "\n" in data:
        data = data.replace("\n", "\\n")
    return f"{timestamp_us} {''.join(source.split()) or 'log'} {data}\n".encode("utf-8", "replace")


def _first(lines: Iterable[bytes], most: int) -> Iterator[bytes]:
    """Those that come first, until there are `most` bytes."""
    size = 0
    for line in lines:
        yield line
        size += len(line)
        if size >= most:
            return


class LogPusher:
    """Sends the logs of all attempts, from one thread that `run` is."""

    def __init__(self, rpc: RpcClient, cluster: Callable[[], str]) -> None:
        """`cluster` is whose controller is to have them."""
        self._rpc, self._cluster = rpc, cluster
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._pending: dict[AttemptLog, None] = {}

    def has_news(self, log: AttemptLog) -> None:
        with self._lock:
            self._pending[log] = None
        self._news.set()

    def wake(self) -> None:
        """Let `run` look at its stop event."""
        self._news.set()

    def run(self, stop: threading.Event) -> None:
        """Send what comes until `stop`; while the controller is away, wait and try again."""
        failures = 0
        while not stop.is_set():
            self._news.wait()
            self._news.clear()
            while not stop.is_set() and (log := self._next()) is not None:
                if self._send(log):
                    failures = 0
                else:
                    self.has_news(log)
                    stop.wait(_PAUSES[min(failures, len(_PAUSES) - 1)])
                    failures += 1

    def _next(self) -> AttemptLog | None:
        with self._lock:
            log = next(iter(self._pending), None)
            if log is not None:
                del self._pending[log]
            return log

    def _send(self, log: AttemptLog) -> bool:
        """A part of what `log` holds, so that others have their turn too; False if the controller could not
        be reached."""
        request = log.batch()
        if request is None:
            return True
        request.cluster = self._cluster()
        try:
            reply = self._rpc.call("/iris.cluster.v1.Workers/AppendLogs", request, pb.AppendLogsReply)
        except Refused as refused:
            if refused.code in ("unavailable", "resource_exhausted", "unauthenticated"):
                return False
            _log.warning("the controller does not take the output of %s: %s", log.task_id, refused)
            log.discard()
        except IrisError:
            return False
        else:
            if reply.next <= request.first:
                return False
            if log.sent_up_to(reply.next):
                self.has_news(log)
        return True
