"""The options that describe a job, for the commands that submit one or only ask what would become of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import click

from iris_api.errors import InvalidSpec
from iris_api.ids import new_id
from iris_api.jobs import (
    DEFAULT_PRIORITY,
    MAX_PRIORITY,
    Constraint,
    ConstraintOp,
    CoschedulingConfig,
    Entrypoint,
    EnvironmentSpec,
)
from iris_api.requirements import PYPROJECT
from iris_api.resources import ResourceSpec

__all__ = ["job_of", "job_options"]

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS: Final = (
    click.option("--name", help="Name of the job [default: run-<random>]."),
    click.option("--replicas", type=int, default=1, show_default=True, help="Tasks that run the command."),
    click.option("--cpu", type=float, default=1.0, show_default=True, help="Cores for each task."),
    click.option("--memory", default="0", help="Memory for each task, such as 2GB [default: none reserved]."),
    click.option(
        "-e",
        "--env",
        multiple=True,
        metavar="K=V",
        help="Environment variable of the tasks; repeat for more.",
    ),
    click.option("--image", default="", help="Container image of the tasks [default: the runtime's own]."),
    click.option(
        "--pip",
        "pip_packages",
        multiple=True,
        metavar="REQUIREMENT",
        help="Python package for the tasks, such as 'numpy>=2' or ./a.whl of the workspace; repeat for more.",
    ),
    click.option("--pyproject", is_flag=True, help="Install what the workspace's pyproject.toml depends on."),
    click.option(
        "--extra",
        "extras",
        multiple=True,
        metavar="NAME",
        help="As --pyproject, with the optional dependencies of that name; repeat for more.",
    ),
    click.option(
        "-c",
        "--constraint",
        "constraints",
        multiple=True,
        metavar="'KEY OP VALUE'",
        help="What a worker's attribute must be, such as 'zone EQ a' or 'kind IN x,y'; repeat for more.",
    ),
    click.option("--gang", is_flag=True, help="Start all tasks together or none."),
    click.option("--group-by", metavar="KEY", help="As --gang, on workers alike in KEY, such as slice."),
    click.option(
        "--priority",
        type=int,
        help=f"1 to {MAX_PRIORITY}, more goes first [default: the parent job's, else {DEFAULT_PRIORITY}].",
    ),
    click.option(
        "--retries", type=int, default=0, show_default=True, help="Tries more after a failure of the command."
    ),
    click.option(
        "--refill-after",
        type=float,
        help="Seconds of a run that give a task its retries back.",
    ),
    click.option("--timeout", type=float, help="Seconds that the job may run."),
    click.option("--scheduling-timeout", type=float, help="Seconds that a task may wait for a place."),
)


def job_options(command: F) -> F:
    """Add the options to a command, which hands them to `job_of`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def job_of(argv: Sequence[str], options: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `IrisClient.submit`. Raises InvalidSpec."""
    gang = options["gang"] or options["group_by"] is not None
    return {
        "name": options["name"] or new_id("run"),
        "entrypoint": Entrypoint.from_command(*argv),
        "resources": ResourceSpec(cpu=options["cpu"], memory=options["memory"]),
        "environment": _environment(options),
        "replicas": options["replicas"],
        "constraints": [_constraint(text) for text in options["constraints"]],
        "coscheduling": CoschedulingConfig(options["group_by"] or "") if gang else None,
        "priority": options["priority"],
        "max_retries_failure": options["retries"],
        "refill_after": options["refill_after"],
        "timeout": options["timeout"],
        "scheduling_timeout": options["scheduling_timeout"],
    }


def _environment(options: dict[str, Any]) -> EnvironmentSpec:
    return EnvironmentSpec(
        env_vars=dict(map(_pair, options["env"])),
        image=options["image"],
        pip_packages=options["pip_packages"],
        extras=options["extras"],
        python_packages_from=PYPROJECT if options["pyproject"] or options["extras"] else "",
    )


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise InvalidSpec(f"-e {text!r} is not allowed: give NAME=VALUE")
    return key, value


def _constraint(text: str) -> Constraint:
    key, op, *values = [*text.split(maxsplit=2), "", ""][: max(2, len(text.split(maxsplit=2)))]
    if op.upper() not in list(ConstraintOp):
        allowed = " ".join(ConstraintOp)
        raise InvalidSpec(f"--constraint {text!r} is not allowed: give 'KEY OP VALUE' with one of {allowed}")
    found = values[0].split(",") if op.upper() == ConstraintOp.IN and values else values
    return Constraint(key, ConstraintOp(op.upper()), found)
