"""``iris plugin new`` and ``iris plugin check``: for those who write plugins."""

from __future__ import annotations

import shlex
import signal
from pathlib import Path

import click

from iris.cli._config import file_option

__all__ = ["plugin"]


@click.group()
def plugin() -> None:
    """Write a plugin, or check one against the rules of its kind.

    Example: iris plugin new demo --kind platform
    """


@plugin.command()
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(["platform", "transport", "resolver"]),
    required=True,
    help="What it will be.",
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the package goes [default: ./iris-NAME].",
)
def new(name: str, kind: str, directory: Path | None) -> None:
    """Write the package of a new plugin: small, complete, and its tests pass.

    Example: iris plugin new demo --kind platform
    """
    from iris.cli._plugin_new import Package

    package = Package.called(name, kind)
    target = directory or Path(package.distribution)
    for path in package.write(target):
        click.echo(f"  {path}")
    click.echo(f"Try: cd {shlex.quote(str(target))} && pip install -e '.[test]' && pytest")


@plugin.command()
@click.argument("name")
@file_option
@click.option(
    "--table", help="Its table in the configuration, such as platforms.mine [default: an empty one]."
)
@click.option(
    "--tests",
    metavar="MODULE",
    help="Module with its subclasses of the kit [default: what its Provider.conformance names].",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=1, max=86_400),
    default=900.0,
    show_default=True,
    help="Seconds for all of it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(
    name: str, path: Path | None, table: str | None, tests: str | None, timeout: float, as_json: bool
) -> None:
    """Run the rules of its kind on an installed plugin; exit 1 if it breaks one.

    The rules come from iris_api.testing; what they need is installed by 'iris-cluster[testing]'.

    Example: iris plugin check local
    """
    from iris.cli._plugin_check import Check, show

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # as Ctrl+C: the tests end with it
    found = Check.of(name, path, table, tests).run(timeout)
    show(name, found, as_json)
    if any(one.outcome == "failed" for one in found):
        raise SystemExit(1)
