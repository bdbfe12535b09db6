"""Which controller a command talks to."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from iris.client.client import IrisClient
from iris_api.errors import InvalidSpec

__all__ = ["client_for", "config_option", "controller_option"]

F = TypeVar("F", bound=Callable[..., Any])


def config_option(command: F) -> F:
    """``--config``: the iris.toml to use."""
    return click.option(
        "--config",
        type=click.Path(path_type=Path),
        help="Configuration file [default: IRIS_CONFIG, then ./iris.toml].",
    )(command)


def controller_option(command: F) -> F:
    """``--controller`` and ``--config``: where the controller is."""
    text = "Controller's address [default: IRIS_CONTROLLER_ADDRESS, then controller.listen of the config]."
    return click.option("--controller", metavar="URL", help=text)(config_option(command))


def client_for(controller: str | None, config: Path | None, workspace: Path | None = None) -> IrisClient:
    """A client of the controller that the options, the environment or the configuration name."""
    address = (
        controller or (None if config else os.environ.get("IRIS_CONTROLLER_ADDRESS")) or _listening(config)
    )
    return IrisClient.remote(address, workspace)


def _listening(config: Path | None) -> str:
    from iris_api.config import load_config

    listen = load_config(config).controller.listen
    if listen.endswith(":0"):
        raise InvalidSpec("controller.listen has port 0, so commands cannot find it: give --controller URL")
    return f"http://{listen}"
