"""``python -m tests.chaos``: everything, with one seed, and tables of what was found."""

from __future__ import annotations

import os
import secrets
import shlex
import sys

import click
import pytest

__all__ = ["main"]


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--seed", help="Repeats the random choices of an earlier run.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def main(seed: str | None, arguments: tuple[str, ...]) -> None:
    """Run all of chaos; other arguments go to pytest, such as -k cycles."""
    seed = seed or secrets.token_hex(4)
    os.environ |= {"IRIS_CHAOS": "whole", "IRIS_CHAOS_SEED": seed}
    again = f'make chaos ARGS="{shlex.join(["--seed", seed, *arguments])}"'
    click.echo(f"seed {seed}; the same again: {again}")
    sys.exit(pytest.main(["tests/chaos", "tests/rigs", "-p", "no:randomly", "-q", *arguments]))


if __name__ == "__main__":
    main()
