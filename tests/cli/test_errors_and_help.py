"""Every command explains itself, and bad input gets one clear line and exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Iris

COMMANDS = [
    "up",
    "down",
    "worker",
    "run",
    "jobs",
    "job",
    "logs",
    "stop",
    "workers",
    "demo",
    "plugins",
    "plugin",
]


def test_help_lists_every_command(iris: Iris) -> None:
    """``iris --help`` names all commands."""
    shown = iris("--help")
    assert shown.returncode == 0
    assert all(f"  {command} " in shown.stdout for command in [*COMMANDS, "config"])


@pytest.mark.parametrize("command", [*([name] for name in COMMANDS), ["config", "check"], ["config", "show"]])
def test_help_has_an_example(iris: Iris, command: list[str]) -> None:
    """The help of a command shows how it is called."""
    shown = iris(*command, "--help")
    assert shown.returncode == 0
    assert f"Example: iris {' '.join(command)}" in shown.stdout


def test_no_controller_at_the_address(iris: Iris) -> None:
    """A command that reaches nobody says so, within seconds."""
    refused = iris("jobs", "--controller", "http://127.0.0.1:9")
    assert refused.returncode == 2
    assert refused.stderr.startswith("iris: the controller at http://127.0.0.1:9 does not answer")
    assert len(refused.stderr.splitlines()) == 1


def test_an_address_that_is_none(iris: Iris) -> None:
    """A malformed address is refused with what is allowed."""
    refused = iris("jobs", "--controller", "localhost")
    assert (refused.returncode, refused.stderr) == (
        2,
        "iris: controller address 'localhost' is not allowed: give http://host:port\n",
    )


def test_config_errors_come_all_at_once(iris: Iris, tmp_path: Path) -> None:
    """A wrong file is refused with every problem, and nothing starts."""
    config = tmp_path / "iris.toml"
    config.write_text('[controller]\nlissten = "x"\n[pools.default]\nmax = "3"\n')
    refused = iris("up", "--config", str(config))
    assert refused.returncode == 2
    assert "controller.lissten" in refused.stderr
    assert "pools.default.max" in refused.stderr
    assert not (tmp_path / "iris-state").exists()


def test_a_plugin_that_is_not_built_yet(iris: Iris, tmp_path: Path) -> None:
    """A platform that is only named says what is missing."""
    config = tmp_path / "iris.toml"
    config.write_text('[pools.default]\nplatform = "gcp"\nruntime = "process"\n')
    refused = iris("up", "--config", str(config))
    assert refused.returncode == 2
    assert "gcp" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [("--memory", "2 gigs", "'2GB'"), ("--replicas", "-1", "from 1"), ("--name", "a/b", "no '/' or ':'")],
)
def test_bad_values_of_run(iris: Iris, option: str, value: str, allowed: str) -> None:
    """What a job may not be is refused before anything is sent, saying what is allowed."""
    refused = iris("run", "--controller", "http://127.0.0.1:9", option, value, "--", "true")
    assert refused.returncode == 2
    assert allowed in refused.stderr
