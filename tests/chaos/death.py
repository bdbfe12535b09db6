"""Who dies where: the plan of a run, drawn from its seed."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from attrs import frozen

from tests.chaos.points import POINTS

__all__ = ["Death", "deaths"]


@frozen
class Death:
    """Of the program `who`, at the `count`-th pass of a point."""

    who: str
    point: str
    count: int


def deaths(random: Random, cycles: int, *, together: bool, points: Sequence[str] = ()) -> list[Death]:
    """Every point as often as the others, in any order. `together`: controller and worker are one process."""
    names = list(points or POINTS)
    chosen: list[str] = []
    while len(chosen) < cycles:
        random.shuffle(names)
        chosen += names
    return [_death(random, name, together=together) for name in chosen[:cycles]]


def _death(random: Random, name: str, *, together: bool) -> Death:
    point = POINTS[name]
    who = "controller" if together or point.side == "controller" else random.choice(("one", "two"))
    return Death(who, name, random.randrange(1, point.most + 1))
