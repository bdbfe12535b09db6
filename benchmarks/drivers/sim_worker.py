"""A simulated worker: every message that `iris_worker` sends, and no sandbox.

Two loops as there: PULL asks what should be here, PUSH says what is here, at once after an end and soon
after a start. Both send all that is here, numbered; what has exited is sent until it is acknowledged.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import Final

from attrs import define, field, frozen

from benchmarks.drivers.wire import Wire, WireError
from iris_api.ids import new_uid
from iris_api.rpc import cluster_pb2 as pb
from iris_api.rpc.version import VERSION

__all__ = ["Behaviour", "SimWorker", "Tally"]

_PATH: Final = "/iris.cluster.v1.Workers/Reconcile"
_HOLD: Final = 10.0  # seconds, as a worker asks for
_ANSWER: Final = 10.0
_PAUSES: Final = (0.1, 0.2, 0.5, 1.0, 2.0)
_SOON: Final = 0.2  # seconds that a start waits for more to be told with it
_EXITED: Final = pb.Exit(kind="exited", code=0)


@frozen
class Behaviour:
    """What attempts do: BUILDING for `build` seconds, RUNNING for about `run` seconds (0: for ever)."""

    build: float = 0.01
    run: float = 0.1


@define
class Tally:
    """What all workers of a process have done."""

    pulls: int = 0
    pushes: int = 0
    failures: int = 0
    trouble: str = ""
    ended: int = 0
    started: int = 0
    answered: set[str] = field(factory=set)  # workers that had an answer since it was cleared


class SimWorker:
    """`start` once, on a running loop; `close` cuts it off without a word, as kill -9 does."""

    def __init__(
        self, name: str, slots: int, pull: Wire, push: Wire, behaviour: Behaviour, tally: Tally
    ) -> None:
        self.name = name
        self._pull_wire, self._push_wire = pull, push
        self._behaviour, self._tally = behaviour, tally
        self._description = pb.WorkerDescription(
            pool="default",
            resources=pb.Resources(cpu=slots, memory=slots * 2**30),
            advertise_host="127.0.0.1",
            version=VERSION,
        )
        self._incarnation = new_uid()
        self._sequence = self._known = 0
        self.attempts: dict[str, pb.ObservedAttempt] = {}
        self.tasks: dict[str, str] = {}
        self._changed = asyncio.Event()
        self._alarm: asyncio.TimerHandle | None = None
        self._running: list[asyncio.Task[None]] = []

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._running = [loop.create_task(self._pull()), loop.create_task(self._push())]

    def close(self) -> None:
        for task in self._running:
            task.cancel()
        self._pull_wire.close()
        self._push_wire.close()

    def say(self) -> None:
        """Push what is here."""
        self._changed.set()

    def end(self, uid: str) -> None:
        """The sandbox is gone."""
        attempt = self.attempts.get(uid)
        if attempt is not None and attempt.state != "EXITED":
            attempt.state = "EXITED"
            attempt.exit.CopyFrom(_EXITED)
            self._tally.ended += 1
            self._changed.set()

    async def _pull(self) -> None:
        failures = 0
        while True:
            request = self._observe()
            request.hold_ms = int(_HOLD * 1000)
            reply = await self._call(self._pull_wire, request, _HOLD + _ANSWER)
            self._tally.pulls += 1
            if reply is None:
                await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
                failures += 1
            else:
                failures = 0
                self._forget(request)
                self._act(reply)

    async def _push(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._alarm is not None:
                self._alarm.cancel()
                self._alarm = None
            request = self._observe()
            request.report_only = True
            self._tally.pushes += 1
            if await self._call(self._push_wire, request, _ANSWER) is None:
                self._changed.set()
                await asyncio.sleep(_PAUSES[-1])
            else:
                self._forget(request)

    async def _call(
        self, wire: Wire, request: pb.ReconcileRequest, timeout: float
    ) -> pb.ReconcileReply | None:
        try:
            reply = await wire.call(_PATH, request.SerializeToString(), timeout)
        except WireError as error:
            self._tally.failures += 1
            self._tally.trouble = str(error)
            return None
        self._tally.answered.add(self.name)
        return pb.ReconcileReply.FromString(reply)

    def _observe(self) -> pb.ReconcileRequest:
        self._sequence += 1
        return pb.ReconcileRequest(
            worker_id=self.name,
            incarnation=self._incarnation,
            sequence=self._sequence,
            known_revision=self._known,
            worker=self._description,
            attempts=self.attempts.values(),
        )

    def _forget(self, told: pb.ReconcileRequest) -> None:
        for observed in told.attempts:
            if observed.state == "EXITED":
                self.attempts.pop(observed.uid, None)
                self.tasks.pop(observed.uid, None)

    def _act(self, reply: pb.ReconcileReply) -> None:
        loop = asyncio.get_running_loop()
        desired = set()
        for attempt in reply.attempts:
            desired.add(attempt.uid)
            if attempt.HasField("run") and attempt.uid not in self.attempts:
                self.attempts[attempt.uid] = pb.ObservedAttempt(uid=attempt.uid, state="BUILDING")
                self.tasks[attempt.uid] = attempt.run.task_id
                loop.call_later(self._behaviour.build, self._begin, attempt.uid)
        for uid, attempt_here in self.attempts.items():
            if uid not in desired and attempt_here.state != "EXITED":
                attempt_here.stopped = True
                self.end(uid)
        self._known = reply.revision

    def _begin(self, uid: str) -> None:
        attempt = self.attempts.get(uid)
        if attempt is None or attempt.state != "BUILDING":
            return
        attempt.state = "RUNNING"
        attempt.started = time.time()
        self._tally.started += 1
        loop = asyncio.get_running_loop()
        if self._alarm is None:
            self._alarm = loop.call_later(_SOON, self._changed.set)
        if self._behaviour.run:
            loop.call_later(self._behaviour.run * random.uniform(0.5, 1.5), self.end, uid)
