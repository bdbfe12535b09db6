"""``iris sim``: the cluster's own test, a whole one under virtual time."""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from iris_api.errors import IrisError, MissingDependency

if TYPE_CHECKING:
    from iris.sim.run import Result

__all__ = ["sim"]

_LAST = 25  # lines of a broken run's trace that are shown


@click.command()
@click.option("--seed", type=int, help="Run this one seed.")
@click.option("--seeds", metavar="A-B", help="Run these seeds, the last one included.")
@click.option(
    "--plan",
    "plans",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    multiple=True,
    help="Run a plan that --save wrote; repeat for more.",
)
@click.option(
    "--save", type=click.Path(path_type=Path, dir_okay=False), help="Write the seed's plan; run nothing."
)
@click.option("--jobs", type=click.IntRange(1, 256), default=1, show_default=True, help="Seeds side by side.")
@click.option("--trace", is_flag=True, help="Show everything that happens.")
@click.option("--keep-going", is_flag=True, help="Do not end at the tenth seed that breaks a promise.")
def sim(
    seed: int | None,
    seeds: str | None,
    plans: tuple[Path, ...],
    save: Path | None,
    jobs: int,
    trace: bool,
    keep_going: bool,
) -> None:
    """For developers: run a whole cluster under virtual time, with faults, and check its promises.
    One seed is one run, byte for byte.

    Example: iris sim --seeds 0-1999 --jobs 2
    """
    try:
        importlib.import_module("greenlet")
    except ModuleNotFoundError as error:
        raise MissingDependency("greenlet", extra="testing") from error
    if save is not None:
        from iris.sim.plan import make_plan

        save.write_text(json.dumps({"why": "", **make_plan(seed or 0)}, indent=1) + "\n")
        return
    todo: Iterable[Any] = [json.loads(path.read_text()) for path in plans] if plans else _seeds(seed, seeds)
    sys.exit(_run(todo, jobs, trace, keep_going))


def _seeds(seed: int | None, seeds: str | None) -> range:
    if (seed is None) == (seeds is None):
        raise IrisError("give one of --seed, --seeds and --plan")
    if seed is not None:
        return range(seed, seed + 1)
    first, dash, last = (seeds or "").partition("-")
    if not (first.isdecimal() and last.isdecimal() and dash) or int(last) < int(first):
        raise IrisError(f"--seeds {seeds!r} is not allowed: give two numbers such as 0-1999")
    return range(int(first), int(last) + 1)


def _run(todo: Iterable[Any], jobs: int, trace: bool, keep_going: bool) -> int:
    from iris.sim.batch import run_seeds

    began = time.monotonic()
    count, failed, cpu, virtual = 0, 0, 0.0, 0.0
    for result in run_seeds(todo, jobs, keep_trace=trace):
        count, cpu, virtual = count + 1, cpu + result.cpu, virtual + result.virtual
        if trace:
            click.echo("\n".join(result.lines))
        if result.broken:
            failed += 1
            _tell(result)
            if failed >= 10 and not keep_going:
                break
    if count == 1 and not failed:
        click.echo(
            f"seed {result.seed}: {result.steps} steps, {result.virtual:.0f} s, digest {result.digest}"
        )
    took = time.monotonic() - began
    click.echo(
        f"{count} seeds, {failed} broken; {virtual / 3600:.1f} h of virtual time in {took:.0f} s, "
        f"{cpu / max(count, 1) * 1000:.0f} ms of CPU a seed"
    )
    return 1 if failed else 0


def _tell(result: Result) -> None:
    """What broke, its last events, and the one line that does it again."""
    for line in result.lines[-_LAST:]:
        click.echo(f"  {line[:300]}")
    click.echo(f"BROKEN {result.broken}")
    click.echo(f"again: iris sim --seed {result.seed}")
