"""Proof that the simulation sees bugs: each of these, planted alone, is caught within a few dozen seeds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sim.mutations import MUTATIONS

SEEDS = (1, 80)
RARE = {  # seeds among which is one that has what it takes; without, a run takes long
    "never_loses_a_worker": (20, 22),
}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", MUTATIONS)
def test_planted_bug_is_caught(name: str) -> None:
    first, last = RARE.get(name, SEEDS)
    done = subprocess.run(
        [sys.executable, "-m", "tests.sim.mutations", name, str(first), str(last)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=590,
        check=False,
    )
    assert done.returncode == 0, f"no seed from {first} to {last} has seen it: {done.stderr[-2000:]}"
    assert "the simulation itself failed" not in done.stdout
