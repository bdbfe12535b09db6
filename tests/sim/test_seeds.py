"""Seeds of the whole simulated cluster: each keeps the promises, and each is one run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SEEDS = "0-1999"
JOBS = str(min(2, os.cpu_count() or 1))


def iris_sim(*arguments: str, hash_seed: str = "random", timeout: float = 120.0) -> str:
    """What `iris sim` prints; a failure shows it."""
    program = f"from iris.cli import main; main({['sim', *arguments]!r})"
    done = _run(program, hash_seed, timeout)
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


def _run(program: str, hash_seed: str = "random", timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_seeds_keep_the_promises() -> None:
    """Two thousand clusters with faults, each checked throughout."""
    iris_sim("--seeds", SEEDS, "--jobs", JOBS, timeout=1700.0)


def test_one_seed_is_one_run() -> None:
    """Byte for byte, whatever order sets have in a process, and which seeds ran before."""
    first = iris_sim("--seeds", "7-12", "--trace", hash_seed="1")
    assert len(first) > 10_000
    again = iris_sim("--seeds", "7-12", "--trace", hash_seed="4242")
    assert _events(first) == _events(again)


def test_kept_plans_keep_the_promises() -> None:
    """What once broke a promise, as it was then: see the `why` in each file."""
    kept = sorted(Path(__file__).with_name("regressions").glob("*.json"))
    assert kept
    iris_sim(*(argument for path in kept for argument in ("--plan", str(path))))


def test_a_broken_promise_is_told_in_one_line_to_repeat() -> None:
    """A planted bug fails the run, names the check, and says how to see it again."""
    program = (
        "from iris_worker.attempt import AttemptRun; AttemptRun._drain = lambda self, stop: None; "
        "from iris.cli import main; main(['sim', '--seeds', '1-5'])"
    )
    done = _run(program)
    assert done.returncode == 1, done.stdout
    assert re.search(r"^BROKEN logs are whole: ", done.stdout, re.MULTILINE)
    assert re.search(r"^again: iris sim --seed \d+$", done.stdout, re.MULTILINE)


def test_missing_greenlet_is_told_with_what_to_install() -> None:
    program = (
        "import sys; sys.modules['greenlet'] = None; from iris.cli import main; main(['sim', '--seed', '1'])"
    )
    done = _run(program)
    assert done.returncode == 2
    assert "pip install 'iris-cluster[testing]'" in done.stdout


def _events(output: str) -> str:
    """Without the last line, which has real seconds in it."""
    return output.rpartition("\n6 seeds")[0]
