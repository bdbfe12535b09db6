"""Seeds of the whole simulated cluster: each keeps the promises, and each is one run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SEEDS = "0-1999"
JOBS = str(min(2, os.cpu_count() or 1))


def iris_sim(*arguments: str, hash_seed: str = "random", timeout: float = 120.0) -> str:
    """What `iris sim` prints; a failure shows it."""
    done = subprocess.run(
        [sys.executable, "-c", "from iris.cli import main; main()", "sim", *arguments],
        env=os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_seeds_keep_the_promises() -> None:
    """Two thousand clusters with faults, each checked throughout."""
    iris_sim("--seeds", SEEDS, "--jobs", JOBS, timeout=580.0)


@pytest.mark.parametrize("seed", ["7", "1066"])
def test_one_seed_is_one_run(seed: str) -> None:
    """Byte for byte, whatever order sets have in a process."""
    first = iris_sim("--seed", seed, "--trace", hash_seed="1")
    assert len(first) > 1000
    again = iris_sim("--seed", seed, "--trace", hash_seed="4242")
    assert _events(first) == _events(again)


def _events(output: str) -> str:
    """Without the last line, which has real seconds in it."""
    return output.rpartition("\n1 seeds")[0]
