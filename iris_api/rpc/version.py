"""The version of Iris, for the wire: a constant, since reading package metadata costs more than a call."""

from __future__ import annotations

from typing import Final

__all__ = ["VERSION", "compatible"]

VERSION: Final = "0.1.0"


def compatible(other: str) -> bool:
    """While the major version is 0, the same major.minor; afterwards the same major version."""
    mine, theirs = VERSION.split("."), other.split(".")
    parts = 2 if mine[0] == "0" else 1
    return mine[:parts] == theirs[:parts]
