"""Output of 50 workers at once, at rates over 10x steps; what was kept is compared byte by byte."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.report import Metric, at_least, at_most, figure
from benchmarks.scale.rig import Rig

__all__ = ["run"]

_WORKERS: Final = 50
_SECONDS: Final = 10.0
_MORE: Final = 1.05  # what is offered, of what is wanted: the end has to be waited for too
_ROUNDS: Final = 3
_PUSHED: Final = 100_000


def run() -> Iterator[Metric]:
    for rate in (100, 1_000, 10_000):
        yield from _rate(rate, _ROUNDS if rate == 10_000 else 1)
    yield _real_pusher()


def _rate(rate: int, rounds: int) -> Iterator[Metric]:
    rates, costs, waited, lost = [], [], 0, 0
    for _ in range(rounds):
        with Rig() as rig:
            _start(rig)
            with rig.watch() as watch:
                outputs = rig.ask("output", rate=int(rate * _MORE), seconds=_SECONDS)
            rates.append(sum(one["lines"] for one in outputs) / watch.cost.wall)
            costs.append(watch.cost.cores * 100)
            waited = max(waited, *(one["waited"] for one in outputs))
            lost += sum(_differs(rig.directory / "state" / "logs", one) for one in outputs)
    name = f"scale: output of {_WORKERS} workers, {rate:,} lines/s each"
    goal = rate == 10_000
    yield Metric(
        name=name,
        value=statistics.median(rates),
        unit="lines/s",
        peer=_spread(rates),
        wanted=at_least(rate * _WORKERS) if goal else None,
    )
    yield Metric(name=f"{name}, controller", value=statistics.median(costs), unit="% of a core")
    yield Metric(name=f"{name}, lines that waited in a worker, at most", value=waited, unit="")
    yield Metric(name=f"{name}, attempts whose kept output differs", value=lost, unit="", wanted=at_most(0))


def _start(rig: Rig) -> None:
    """One task on each worker."""
    rig.ask("workers", count=_WORKERS, slots=1, run=0.0)
    rig.ask("jobs", tasks=_WORKERS, replicas=_WORKERS, clients=1, wait=False)
    rig.ask("running", count=_WORKERS)


def _differs(logs: Path, sent: Mapping[str, Any]) -> bool:
    """Is what is kept of an attempt anything else than what it put out?"""
    job, _, replica = sent["task"].rpartition(":")
    kept = (logs / job / f":{replica}" / f"{sent['uid']}.log").read_bytes()
    digest = hashlib.blake2b(kept, digest_size=16).hexdigest()
    return bool(kept.count(b"\n") != sent["lines"] or digest != sent["digest"])


def _real_pusher() -> Metric:
    """One attempt's output through what a worker sends it with."""
    with Rig() as rig:
        _start(rig)
        pusher = rig.driver("pusher")
        rates = [
            _PUSHED / pusher.ask("push", uid=uid, task=task, lines=_PUSHED)
            for uid, task in rig.ask("attempts")[:_ROUNDS]
        ]
    return Metric(
        name="scale: output through a worker's own pusher",
        value=statistics.median(rates),
        unit="lines/s",
        peer=_spread(rates),
        wanted=at_least(10_000),
    )


def _spread(values: Sequence[float]) -> str:
    return f"{len(values)} runs: {figure(min(values))} to {figure(max(values))}" if len(values) > 1 else ""
