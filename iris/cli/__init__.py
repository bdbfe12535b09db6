"""The command `iris`. Each subcommand is one module, imported when it is called."""

from iris.cli._main import main

__all__ = ["main"]
