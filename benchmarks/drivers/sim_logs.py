"""The output of one simulated attempt: so many lines a second, sent as a worker sends them."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import deque
from typing import Any, Final

from benchmarks.drivers.wire import Wire
from iris_api.rpc import cluster_pb2 as pb

__all__ = ["Output"]

_PATH: Final = "/iris.cluster.v1.Workers/AppendLogs"
_TICK: Final = 0.1  # seconds: as if an attempt's pipe were read so often
_BLOCK: Final = 5000  # lines made at once, at most
_MOST: Final = 2 * 2**20  # bytes in a request, about
_FILL: Final = b"and so on, until it is as long as a line of a log is, about a hundred bytes"


class Output:
    """Lines that differ all; the digest is of all of them, in order."""

    def __init__(self, wire: Wire, uid: str, task: str) -> None:
        self._wire, self.uid, self.task = wire, uid, task
        self._digest = hashlib.blake2b(digest_size=16)
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._made = self._sent = self._bytes = self._most = 0
        self._news = asyncio.Event()

    async def run(self, rate: int, seconds: float) -> dict[str, Any]:
        """Put out `rate` lines a second for `seconds`; returns once all are acknowledged."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._make(rate, seconds))
            group.create_task(self._send(int(rate * seconds)))
        return {
            "uid": self.uid,
            "task": self.task,
            "lines": self._made,
            "bytes": self._bytes,
            "digest": self._digest.hexdigest(),
            "waited": self._most,
        }

    async def _make(self, rate: int, seconds: float) -> None:
        began, total = time.perf_counter(), int(rate * seconds)
        while self._made < total:
            due = min(total, int((time.perf_counter() - began) * rate), self._made + _BLOCK)
            now, name = time.time_ns() // 1000, self.task.encode()
            lines = [
                b"%d stdout %b: line %d %b\n" % (now, name, number, _FILL)
                for number in range(self._made, due)
            ]
            if lines:
                block = b"".join(lines)
                self._digest.update(block)
                self._waiting.append((len(lines), block))
                self._made, self._bytes = due, self._bytes + len(block)
                self._most = max(self._most, self._made - self._sent)
                self._news.set()
            await asyncio.sleep(0 if self._made < (time.perf_counter() - began - _TICK) * rate else _TICK)

    async def _send(self, total: int) -> None:
        while self._sent < total:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                count, parts, size = 0, [], 0
                while self._waiting and size < _MOST:
                    more, block = self._waiting.popleft()
                    count, size = count + more, size + len(block)
                    parts.append(block)
                await self._append(count, b"".join(parts))

    async def _append(self, count: int, lines: bytes) -> None:
        request = pb.AppendLogsRequest(
            attempt_uid=self.uid, task_id=self.task, first=self._sent, count=count, lines=lines
        )
        reply = pb.AppendLogsReply.FromString(await self._wire.call(_PATH, request.SerializeToString()))
        self._sent += count
        if reply.next != self._sent:
            raise ValueError(f"{self._sent} lines were sent of {self.uid}, {reply.next} taken")
