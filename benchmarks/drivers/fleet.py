"""Many simulated workers and some clients of the controller at ``HOST PORT TOKEN``, on one loop."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections import deque
from typing import Any, Final, TextIO

import uvloop

from benchmarks.drivers.protocol import answer, answers
from benchmarks.drivers.sim_logs import Output
from benchmarks.drivers.sim_worker import Behaviour, SimWorker, Tally
from benchmarks.drivers.wire import Wire, WireError
from iris_api.ids import new_uid
from iris_api.rpc import cluster_pb2 as pb
from iris_api.rpc.version import VERSION

_SUBMIT: Final = "/iris.cluster.v1.Controller/SubmitJob"
_GET: Final = "/iris.cluster.v1.Controller/GetJob"
_PATIENCE: Final = 120.0  # seconds
_LOOK: Final = 60_000  # ms that an answer is held, as a client asks for


class _Load:
    """What several clients submit together."""

    def __init__(self, replicas: int, left: deque[int], window: int, rate: float) -> None:
        self.left, self.window, self._rate = left, window, rate
        self.began = time.perf_counter()
        self.latencies: list[float] = []
        self.spec = pb.JobSpec(
            entry=pb.Entry(command=pb.Command(argv=["true"])),
            resources=pb.Resources(cpu=1.0, memory=2**20),
            replicas=replicas,
            max_retries_preemption=100,
        )

    async def turn(self) -> float:
        """Take the next job, once it is due; returns when that was."""
        number = self.left.popleft()
        if not self._rate:
            return time.perf_counter()
        due = self.began + number / self._rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        return due


class Fleet:
    """Each public method is a command of the driver."""

    def __init__(self, host: str, port: str, token: str) -> None:
        self._place = host, int(port), token
        self._workers: list[SimWorker] = []
        self._tally = Tally()
        self._names = 0

    async def workers(self, count: int, slots: int, build: float = 0.01, run: float = 0.1) -> float:
        """Have `count` workers; returns the seconds until each has had an answer."""
        for worker in self._workers:
            worker.close()
        began = time.perf_counter()
        self._tally = Tally()
        behaviour = Behaviour(build, run)
        self._workers = [
            SimWorker(f"w-{number}", slots, self._wire(), self._wire(), behaviour, self._tally)
            for number in range(count)
        ]
        for worker in self._workers:  # one push is what shows that a worker is known: a pull is held
            worker.start()
            worker.say()
        await self.answered(count)
        return time.perf_counter() - began

    async def forget_answers(self) -> None:
        """What `answered` counts begins anew."""
        self._tally.answered.clear()

    async def answered(self, count: int) -> float:
        """The wall time when `count` workers have had an answer."""
        async with asyncio.timeout(_PATIENCE):
            while len(self._tally.answered) < count:  # noqa: ASYNC110 - nothing on the way to an answer
                await asyncio.sleep(0.005)
        return time.time()

    async def running(self, count: int) -> int:
        """Wait until that many attempts have been started."""
        while self._tally.started < count:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)
        return self._tally.started

    async def counts(self) -> dict[str, int]:
        tally = self._tally
        return {
            "pulls": tally.pulls,
            "pushes": tally.pushes,
            "failures": tally.failures,
            "ended": tally.ended,
        }

    async def jobs(
        self,
        tasks: int,
        replicas: int,
        clients: int,
        window: int = 2**30,
        rate: float = 0.0,
        wait: bool = True,
    ) -> dict[str, Any]:
        """Submit `tasks` tasks in jobs of `replicas` from `clients` connections at once, each of which has
        at most `window` jobs open, and wait for all. `rate`: jobs a second, of all clients together; 0: as
        many as are answered. Latencies in seconds, from the moment when a job was due."""
        load = _Load(replicas, deque(range(tasks // replicas)), window, rate)
        opened = await asyncio.gather(*(self._client(load, wait) for _ in range(clients)))
        wall = time.perf_counter() - load.began
        latencies = sorted(load.latencies)
        return {
            "wall": wall,
            "submit_wall": max(opened) - load.began,
            "p50": latencies[len(latencies) // 2],
            "p99": latencies[int(len(latencies) * 0.99)],
            "max": latencies[-1],
            "submits": len(latencies),
        }

    async def _client(self, load: _Load, wait: bool) -> float:
        """Returns when the last of its submits was answered."""
        submit, look = self._wire(), self._wire()
        opened: deque[str] = deque()
        answered = time.perf_counter()
        while load.left:
            due = await load.turn()
            self._names += 1
            request = pb.SubmitJobRequest(spec=load.spec, existing="error", request_id=new_uid())
            request.spec.name = f"job-{self._names}"
            reply = await submit.call(_SUBMIT, request.SerializeToString())
            answered = time.perf_counter()
            load.latencies.append(answered - due)
            opened.append(pb.SubmitJobReply.FromString(reply).job_id)
            if len(opened) > load.window:
                await _until_done(look, opened.popleft())
        if wait:
            for job_id in opened:
                await _until_done(look, job_id)
        submit.close()
        look.close()
        return answered

    async def attempts(self) -> list[tuple[str, str]]:
        """What is on the workers: uid and task of each."""
        return [pair for worker in self._workers for pair in worker.tasks.items()]

    async def output(self, rate: int, seconds: float) -> list[dict[str, Any]]:
        """Have all that is on the workers put out `rate` lines a second each, for `seconds`."""
        outputs = [Output(self._wire(), uid, task) for uid, task in await self.attempts()]
        return await asyncio.gather(*(output.run(rate, seconds) for output in outputs))

    def _wire(self) -> Wire:
        return Wire(*self._place, VERSION)


async def _until_done(wire: Wire, job_id: str) -> None:
    request = pb.GetJobRequest(job_id=job_id, until_finished=True, hold_ms=_LOOK).SerializeToString()
    while True:
        status = pb.JobStatus.FromString(await wire.call(_GET, request, _LOOK / 1000 + 10))
        if status.state == "SUCCEEDED":
            return
        if status.state not in ("PENDING", "RUNNING"):
            raise WireError(f"job {job_id} ended as {status.state}: {status.cause.message}")


async def _serve(fleet: Fleet, to: TextIO) -> None:
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        question = json.loads(line)
        answer(to, await getattr(fleet, question["do"])(**question["args"]))


def main(host: str, port: str, token: str) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    uvloop.run(_serve(Fleet(host, port, token), answers()))


if __name__ == "__main__":
    main(*sys.argv[1:])
