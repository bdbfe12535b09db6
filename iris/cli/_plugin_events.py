"""What the process of a check has told, and what follows from it."""

from __future__ import annotations

import json
import re
import sysconfig
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen

__all__ = ["Events", "Finding", "cause", "last_seen"]

_FRAME: Final = re.compile(r'  File "(?P<file>.*)", line (?P<line>\d+) in (?P<name>.*)')


@frozen
class Finding:
    """What became of a rule: passed, failed, not promised, skipped or not run, and why."""

    rule: str
    outcome: str
    reason: str = ""


@frozen
class Events:
    """`at` is what was under way last; `failed` why no rule can be run."""

    at: str = "the start"
    rule: str | None = None
    rules: Sequence[str] = ()
    found: Sequence[dict[str, str]] = ()
    made: Sequence[str] = field(factory=tuple)
    failed: str = ""
    interrupted: str = ""
    ended: int | None = None

    @classmethod
    def read(cls, text: str) -> Events:
        """The last word counts, but for `failed`, where the first does; after an interrupt there is only the
        end."""
        told: dict[str, Any] = {}
        for event in _whole_lines(text):
            known = {"failed": "failed" in told, "at": "interrupted" in told}
            told |= {key: value for key, value in event.items() if not known.get(key)}
        return cls(**told)

    def findings(self, why: str = "") -> Sequence[Finding]:
        """A row for each rule; `why` the one that was under way did not end, nor those after it run."""
        found = [Finding(row["rule"], row["outcome"], row["reason"]) for row in self.found]
        tested = {one.rule for one in found}
        if why and self.rule is not None:
            found = [one for one in found if one.rule != self.rule]
            found.append(Finding(self.rule, "failed", why))
            tested.add(self.rule)
        return [*found, *(Finding(rule, "not run") for rule in self.rules if rule not in tested)]


def last_seen(stack: str) -> str:
    """``acme.py, line 7, in connect``: the innermost frame in a dump of faulthandler that is not of Python's
    own library; empty where there is no dump."""
    library = sysconfig.get_path("stdlib")
    frames = [match for line in stack.splitlines() if (match := _FRAME.fullmatch(line))]
    own = [one for one in frames if Path(library) not in Path(one["file"]).parents]
    return next((f"{one['file']}, line {one['line']}, in {one['name']}" for one in own or frames), "")


def cause(output: str) -> str:
    """Of what pytest prints: the first line that says what was raised, else the last."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    raised = [line.removeprefix("E ").strip() for line in lines if line.startswith(("E ", "ERROR"))]
    return next(iter(raised or lines[-1:]), "pytest said nothing").strip()


def _whole_lines(text: str) -> Iterable[dict[str, Any]]:
    """A process that was killed may have left half a line."""
    whole = text.rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines()]
