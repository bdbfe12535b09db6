"""The command group, and what an error looks like on the terminal."""

from __future__ import annotations

import importlib
import sys
from typing import Final

import click

from iris_api.errors import ConfigError, IrisError, MissingDependency

__all__ = ["main"]

# name: (module:attribute, one line of help); the modules are imported when their command runs
_COMMANDS: Final = {
    "up": ("iris.cli._up:up", "Start a cluster on this machine: controller and workers."),
    "down": ("iris.cli._down:down", "Delete the machines of a cluster that has ended."),
    "worker": ("iris.cli._worker:worker", "Start one worker of a pool for a controller elsewhere."),
    "run": ("iris.cli._run:run", "Run a command as a job, stream its output, exit with its status."),
    "jobs": ("iris.cli._jobs:jobs", "List jobs."),
    "job": ("iris.cli._jobs:job", "Show one job, its tasks and why they ended."),
    "explain": ("iris.cli._explain:explain", "Tell why a job's tasks do not run, and what would help."),
    "plan": ("iris.cli._explain:plan", "Tell what would become of a job; submit nothing."),
    "logs": ("iris.cli._logs:logs", "Show the output of a job or a task."),
    "stop": ("iris.cli._jobs:stop", "End jobs and all below them."),
    "workers": ("iris.cli._workers:workers", "List workers."),
    "demo": ("iris.cli._demo:demo", "A tour in some seconds: tasks, an actor and a worker pool."),
    "plugins": ("iris.cli._plugins:plugins", "List installed plugins; --check loads them."),
    "plugin": ("iris.cli._plugin:plugin", "For authors: write a plugin, check one against the rules."),
    "config": ("iris.cli._config:config", "Check or show iris.toml."),
    "sim": ("iris.cli._sim:sim", "For developers: a whole cluster under virtual time, with faults."),
}


class _Commands(click.Group):
    """Knows its subcommands by name, so that ``iris --help`` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except Exception as error:
            if ctx.params.get("debug") or (not isinstance(error, IrisError) and not _of_a_plugin(error)):
                raise
            for line in _told(error).splitlines():
                click.echo(f"iris: {line}", err=True)
            sys.exit(2)


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="iris-cluster", prog_name="iris")
@click.option("--debug", is_flag=True, help="Show tracebacks of errors.")
def main(debug: bool) -> None:
    """Jobs and actors on machines that a config file names.

    Example: iris up &  then  iris run -- python -c 'print("hello")'
    """


def _of_a_plugin(error: Exception) -> bool:
    from iris_api.plugins import blame_of

    return bool(blame_of(error))


def _told(error: Exception) -> str:
    from iris_api.plugins import blame_of, blamed_text

    if not blame_of(error) or isinstance(error, ConfigError | MissingDependency):
        return blamed_text(error)  # it says itself what to do
    first = "set that right, or " if isinstance(error, IrisError) else ""
    return f"{blamed_text(error)}; {first}install another version of its package; iris --debug shows where"
