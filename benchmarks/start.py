"""From submit to the first line of a process task's code, on a cluster that is up and warm, with bare
interpreter starts in between."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Final

from benchmarks.cluster import start_cluster
from benchmarks.processes import Session
from benchmarks.report import Metric, at_most, figure, per_round

__all__ = ["run"]

_SAMPLES: Final = 40
_WARM_UP: Final = 5
_KINDS: Final = ("callable", "command", "interpreter")


def run() -> Iterator[Metric]:
    took: dict[str, list[float]] = {kind: [] for kind in _KINDS}
    with Session() as session:
        driver = session.driver("first_line", start_cluster(session, own_workers=True))
        for number in range(_WARM_UP + _SAMPLES):
            for kind in _KINDS:
                sample = driver.ask(kind) * 1e3
                if number >= _WARM_UP:
                    took[kind].append(sample)
    bare = took["interpreter"]
    peer = f"bare interpreter: {figure(statistics.median(bare))} ms"
    for kind in ("callable", "command"):
        yield Metric(
            name=f"start: submit to first line of a {kind}, p50",
            value=statistics.median(took[kind]),
            unit="ms",
            peer=peer,
            ratio=per_round(took[kind], bare),
            wanted=at_most(120),
        )
        p95 = sorted(took[kind])[int(0.95 * (_SAMPLES - 1))]
        yield Metric(name=f"start: {kind}, p95", value=p95, unit="ms")
