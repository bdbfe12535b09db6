"""From nothing: the first result of a cluster in this process, and what imports cost. CPU seconds, since they
depend less on what else runs; each sample is a fresh process."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.cluster import IRIS
from benchmarks.processes import BenchmarkError, Session
from benchmarks.report import Metric, at_most, figure, per_round

__all__ = ["run"]

_SAMPLES: Final = 9
_COMMANDS: Final[dict[str, tuple[str | Path, ...]]] = {
    "interpreter": (sys.executable, "-c", "pass"),
    "import": (sys.executable, "-c", "import iris.client"),
    "help": (IRIS, "--help"),
}


def run() -> Iterator[Metric]:
    with Session() as session:
        yield from _imports(session)
        yield from _first_results(session)


def _imports(session: Session) -> Iterator[Metric]:
    took: dict[str, list[float]] = {name: [] for name in _COMMANDS}
    for argv in _COMMANDS.values():
        _cpu_of(argv, session)  # compiles to bytecode what is not yet compiled
    for _ in range(_SAMPLES):
        for name, argv in _COMMANDS.items():
            took[name].append(_cpu_of(argv, session) * 1e3)
    peer = f"bare interpreter: {figure(statistics.median(took['interpreter']))} ms"
    for name, text, bound in (("import", "import iris.client", 150), ("help", "iris --help", 250)):
        yield Metric(
            name=f"cold: {text}, CPU",
            value=statistics.median(took[name]),
            unit="ms",
            peer=peer,
            ratio=per_round(took[name], took["interpreter"]),
            wanted=at_most(bound),
        )


def _cpu_of(argv: Sequence[str | Path], session: Session) -> float:
    """CPU seconds of a whole process."""
    process = subprocess.Popen(argv, env=session.environment(), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise BenchmarkError(f"{' '.join(map(str, argv))} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def _first_results(session: Session) -> Iterator[Metric]:
    samples: dict[str, list[dict[str, float]]] = {"local": [], "process": []}
    for runtime in samples:
        _cold_job(session, runtime)
    for _ in range(_SAMPLES):
        for runtime, taken in samples.items():
            taken.append(_cold_job(session, runtime))
    threads, processes = samples["local"], samples["process"]
    own = [sample["cpu"] for sample in threads]
    all_of_it = [sample["cpu"] + sample["children"] for sample in processes]
    yield _metric("local() to first result, CPU, tasks as threads", own, 0.5)
    yield _metric("the same, wall clock", [sample["wall"] for sample in threads])
    yield _metric("tasks as processes, CPU with children", all_of_it)
    yield _metric("the same, wall clock", [sample["wall"] for sample in processes])


def _cold_job(session: Session, runtime: str) -> dict[str, float]:
    program = session.driver("cold_job", runtime)
    sample: dict[str, float] = program.read()
    program.stop()
    return sample


def _metric(name: str, seconds: list[float], bound: float | None = None) -> Metric:
    wanted = at_most(bound) if bound is not None else None
    return Metric(name=f"cold: {name}", value=statistics.median(seconds), unit="s", wanted=wanted)
