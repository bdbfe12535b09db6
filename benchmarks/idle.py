"""What a cluster costs that does nothing: a controller and one worker, as two processes.

Memory is PSS: pages that several processes share count for each in its part only.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from benchmarks.cluster import start_cluster, start_worker
from benchmarks.processes import Session
from benchmarks.report import Metric, at_most

__all__ = ["pss", "run"]

_IDLE: Final = 5.0  # seconds until memory is read
_WATCHED: Final = 20.0  # seconds over which CPU is counted


def run() -> Iterator[Metric]:
    with Session() as session:
        address = start_cluster(session, own_workers=False)
        start_worker(session, address)
        time.sleep(_IDLE)
        pids = session.pids()
        yield Metric(name="idle: PSS of all processes", value=pss(pids), unit="MB", wanted=at_most(120))
        yield Metric(name="idle: processes", value=len(pids), unit="")
        before = _cpu(pids)
        time.sleep(_WATCHED)
        used = (_cpu(pids) - before) / _WATCHED
        yield Metric(name="idle: CPU of all processes", value=used * 60, unit="s/min")
        driver = session.driver("first_line", address)
        for _ in range(5):
            driver.ask("callable")
        driver.stop()
        time.sleep(_IDLE)
        yield Metric(name="idle: PSS after five jobs", value=pss(session.pids()), unit="MB")


def pss(pids: Iterable[int]) -> float:
    """Megabytes."""
    lines = (line for pid in pids for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines())
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1e3


def _cpu(pids: Iterable[int]) -> float:
    """Seconds so far, of all threads."""
    tasks = (task for pid in pids for task in Path(f"/proc/{pid}/task").iterdir())
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
