"""``python -m benchmarks [NAME...] [--json FILE]``"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from benchmarks.machine import machine
from benchmarks.processes import BenchmarkError
from benchmarks.report import Metric, Report

# name: what it measures. Each is a module with `run() -> Iterator[Metric]`.
BENCHMARKS: Final = {
    "cold": "from nothing to the first result, imports",
    "start": "from submit to the first line of a process task",
    "jobs": "many small jobs as threads",
    "idle": "memory and CPU of a cluster that does nothing",
    "docker": "tasks in containers, next to docker run",
    "actors": "calls, next to Ray and Pyro5",
    "scale.tasks": "tasks through one controller with up to 1,000 workers, from submit to done",
    "scale.idle": "what that controller takes while nothing changes",
    "scale.schedule": "finding places for up to 100,000 tasks on up to 10,000 workers",
    "scale.logs": "output of 50 workers at up to 10,000 lines a second each",
    "scale.restart": "the return of a controller with up to 100,000 live tasks",
}


def main() -> int:
    """0 when everything was measured, whatever came out; 1 when something could not be."""
    options = _options()
    facts, metrics, failures = machine(), list[Metric](), dict[str, str]()
    for name in _chosen(options.names):
        began = time.monotonic()
        try:
            for metric in _benchmark(name)():  # one by one: what was measured before a failure is kept
                metrics.append(metric)
        except (BenchmarkError, OSError) as error:
            failures[name] = str(error)
        print(f"benchmarks: {name} took {time.monotonic() - began:.0f} s", file=sys.stderr)
    report = Report(facts, metrics, failures)
    print(report.text())
    if options.json:
        report.write(options.json)
    return 1 if failures else 0


def _chosen(names: list[str]) -> list[str]:
    """Each that is named, all of a group whose name is given, or all."""
    wanted = names or [name for name in BENCHMARKS if not name.startswith("scale.")]
    return [one for name in wanted for one in BENCHMARKS if name in (one, one.partition(".")[0])]


def _benchmark(name: str) -> Callable[[], Iterator[Metric]]:
    run: Callable[[], Iterator[Metric]] = importlib.import_module(f"benchmarks.{name}").run
    return run


def _options() -> argparse.Namespace:
    names = "\n".join(f"  {name:16}{text}" for name, text in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"Measure:\n{names}\nWithout a name all but those of scale; `scale` is all of them.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to measure")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there too")
    options = parser.parse_args()
    if unknown := [name for name in options.names if not _chosen([name])]:
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are scale, {', '.join(BENCHMARKS)}")
    return options


sys.exit(main())
