"""Packages of a job on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Iris
from tests.rigs.wheels import wheel


def test_a_program_of_a_wheel_of_the_workspace(iris: Iris, address: str, tmp_path: Path) -> None:
    """What the program prints is stdout, and what its installation prints is not."""
    file = wheel(tmp_path / "work" / "wheels", "thing")
    options = ("--workspace", str(tmp_path / "work"), "--pip", f"wheels/{file}", "-e", "PIP_NO_INDEX=1")
    ran = iris("run", "--controller", address, *options, "--", "thing")
    assert (ran.returncode, ran.stdout) == (0, "1.0\n"), ran.stderr
    assert "iris: installing 1 requirements" in ran.stderr


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--pip", "a=1"), "pip_packages[0] 'a=1' is not allowed"),
        (("--pip", "./a.whl"), "there is no workspace"),
        (("--extra", "gpu"), "there is no workspace"),
        (("--image", "a b"), "image 'a b' is not allowed"),
    ],
)
def test_what_is_not_allowed(iris: Iris, option: tuple[str, ...], said: str) -> None:
    """One sentence, and nothing is sent."""
    ran = iris("run", "--controller", "http://127.0.0.1:9", *option, "--", "true")
    assert ran.returncode == 2
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
