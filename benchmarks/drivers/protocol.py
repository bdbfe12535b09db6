"""How a driver talks: a JSON line for each question on stdin, a JSON line for each answer on stdout."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, TextIO

__all__ = ["answer", "answers", "serve"]


def answers() -> TextIO:
    """The real stdout. What the measured system prints goes to stderr from here on."""
    real = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return real


def answer(to: TextIO, value: Any) -> None:
    to.write(json.dumps(value) + "\n")
    to.flush()


def serve(to: TextIO, commands: Mapping[str, Callable[..., Any]]) -> None:
    """Answer questions until there are no more. An error ends the driver; its traceback is on stderr."""
    for line in sys.stdin:
        question = json.loads(line)
        answer(to, commands[question["do"]](**question["args"]))
