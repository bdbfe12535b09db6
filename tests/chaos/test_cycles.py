"""``kill -9`` of controller and workers at named points under a mixed workload: every promise holds."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from iris_api.threads import ThreadContainer
from tests.chaos.conftest import WHOLE
from tests.chaos.cycles import Outcome, run
from tests.chaos.death import deaths
from tests.chaos.points import POINTS

APART, TOGETHER = 130, 70  # cycles of a whole run
TRIES = 3  # for a point that was not hit


@pytest.mark.parametrize("name", POINTS)
def test_a_point_is_in_the_code(name: str) -> None:
    """One that was renamed would never be hit again."""
    POINTS[name].find()


def _check(outcome: Outcome) -> None:
    again = f"make chaos ARGS='--seed {outcome.seed} -k cycles'"
    assert not outcome.faults, "\n".join([*outcome.faults, f"the same choices again: {again}"])


@pytest.mark.slow
@pytest.mark.skipif(WHOLE, reason="the whole run has all of it")
@pytest.mark.timeout(180)
@pytest.mark.parametrize("together", [False, True], ids=["apart", "together"])
def test_a_sample_of_cycles(together: bool, seed: str, tmp_path: Path, threads: ThreadContainer) -> None:
    """Controller and two workers as processes of their own, and all in one ``iris up``."""
    plan = deaths(Random(seed), 4, together=together)
    _check(run(tmp_path, plan, threads, seed=seed, together=together))


@pytest.mark.chaos
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("together", [False, True], ids=["apart", "together"])
def test_all_cycles(
    together: bool, seed: str, tmp_path: Path, threads: ThreadContainer, outcomes: dict[str, Outcome]
) -> None:
    name = "together" if together else "apart"
    plan = deaths(Random(f"{seed}-{name}"), TOGETHER if together else APART, together=together)
    outcome = outcomes[name] = run(tmp_path, plan, threads, seed=seed, together=together)
    _check(outcome)


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_every_point_was_hit(
    seed: str, tmp_path: Path, threads: ThreadContainer, outcomes: dict[str, Outcome]
) -> None:
    """By the cycles before, or by some more of their own."""
    missed = [name for name in POINTS if not any(outcome.hit.get(name) for outcome in outcomes.values())]
    for number in range(TRIES):
        if not missed:
            return
        plan = deaths(Random(f"{seed}-{number}"), len(missed), together=False, points=missed)
        outcome = run(tmp_path / str(number), plan, threads, seed=seed, together=False)
        outcomes[f"missed, {number + 1}"] = outcome
        _check(outcome)
        missed = [name for name in missed if not outcome.hit.get(name)]
    assert not missed, f"never hit, in {TRIES} more tries each: {missed}"
