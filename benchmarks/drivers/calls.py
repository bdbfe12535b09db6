"""What is asked of every actor system, in the same loops."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol, TextIO

import numpy as np

from benchmarks.drivers.protocol import serve

__all__ = ["Calls", "serve_calls"]

_MEGABYTE = np.random.default_rng(0).random(125_000)


class Calls(Protocol):
    """One actor, in another process than this."""

    @property
    def noop(self) -> Callable[[], Any]:
        """One synchronous call of a method that does nothing."""

    @property
    def echo(self) -> Callable[[Any], Any]:
        """Send a value and get it back, synchronously."""

    def pipelined(self, count: int) -> None:
        """Fire so many calls of the no-op, then gather all their results."""


def serve_calls(to: TextIO, system: Calls, **about: Callable[[], Any]) -> None:
    """Answer the questions below; `about` are more of them, of one system only."""

    def sync(seconds: float) -> dict[str, float]:
        took = _repeat(system.noop, seconds)
        return {"rate": len(took) / sum(took), "p50": _quantile(took, 0.5), "p99": _quantile(took, 0.99)}

    def pipelined(count: int, seconds: float) -> dict[str, float]:
        took = _repeat(lambda: system.pipelined(count), seconds, least=3)
        return {"rate": count / _quantile(took, 0.5)}

    def echo(seconds: float) -> dict[str, float]:
        if not np.array_equal(system.echo(_MEGABYTE), _MEGABYTE):
            raise AssertionError("what came back is not what was sent")
        took = _repeat(lambda: system.echo(_MEGABYTE), seconds)
        return {"p50": _quantile(took, 0.5)}

    serve(to, {"sync": sync, "pipelined": pipelined, "echo": echo, **about})


def _repeat(call: Callable[[], Any], seconds: float, least: int = 20) -> list[float]:
    """Seconds that each call took, for so long, and at least so many of them."""
    clock = time.perf_counter
    took: list[float] = []
    until = clock() + seconds
    while (began := clock()) < until or len(took) < least:
        call()
        took.append(clock() - began)
    return took


def _quantile(values: list[float], q: float) -> float:
    return sorted(values)[int(q * (len(values) - 1))]
