"""What was measured, what was wanted, and one way to show both."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from attrs import asdict, frozen

__all__ = ["Metric", "Ratio", "Report", "Wanted", "at_least", "at_most", "figure", "per_round"]

_COLUMNS = ("metric", "value", "peer", "ratio", "wanted", "verdict")


@frozen
class Ratio:
    """Iris to a peer, round by round of one run."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        if self.low == self.high:
            return figure(self.median)
        return f"{figure(self.median)} ({figure(self.low)}-{figure(self.high)})"


@frozen
class Wanted:
    """A bound of the value or, `of` "ratio", of the median ratio to the peer."""

    sign: Literal["<=", ">="]
    bound: float
    of: Literal["value", "ratio"] = "value"


def at_most(bound: float, of: Literal["value", "ratio"] = "value") -> Wanted:
    return Wanted("<=", bound, of)


def at_least(bound: float, of: Literal["value", "ratio"] = "value") -> Wanted:
    return Wanted(">=", bound, of)


@frozen(kw_only=True)
class Metric:
    """One row. `peer` says what was measured beside it, and how much that was; without `wanted` the row
    is there for the reader only."""

    name: str
    value: float
    unit: str
    peer: str = ""
    ratio: Ratio | None = None
    wanted: Wanted | None = None

    @property
    def verdict(self) -> str:
        if self.wanted is None:
            return ""
        got = self.ratio.median if self.wanted.of == "ratio" and self.ratio else self.value
        met = got <= self.wanted.bound if self.wanted.sign == "<=" else got >= self.wanted.bound
        return "ok" if met else "MISSED"

    def cells(self) -> tuple[str, ...]:
        return (
            self.name,
            f"{figure(self.value)} {self.unit}",
            self.peer,
            str(self.ratio or ""),
            self._wanted(),
            self.verdict,
        )

    def _wanted(self) -> str:
        if self.wanted is None:
            return ""
        unit = "x" if self.wanted.of == "ratio" else f" {self.unit}"
        return f"{self.wanted.sign} {self.wanted.bound:g}{unit}"


@frozen
class Report:
    """A run: where, what came out, and the benchmarks that failed, by name with the reason."""

    machine: Mapping[str, str]
    metrics: Sequence[Metric]
    failures: Mapping[str, str]

    def table(self) -> str:
        """A Markdown table, aligned so that a terminal shows it as well."""
        rows = [_COLUMNS, *(metric.cells() for metric in self.metrics)]
        rows += [(name, "", "", "", "", "FAILED") for name in self.failures]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
        lines = [_line(row, widths) for row in rows]
        return "\n".join([lines[0], f"|{'|'.join('-' * (width + 2) for width in widths)}|", *lines[1:]])

    def text(self) -> str:
        facts = "\n".join(f"{key}: {value}" for key, value in self.machine.items())
        failed = [f"{name} FAILED: {reason}" for name, reason in self.failures.items()]
        return "\n\n".join([facts, self.table(), *failed])

    def write(self, path: Path) -> None:
        """The same as JSON."""
        content: dict[str, Any] = {
            "machine": dict(self.machine),
            "metrics": [asdict(metric) | {"verdict": metric.verdict} for metric in self.metrics],
            "failures": dict(self.failures),
        }
        path.write_text(json.dumps(content, indent=1) + "\n")


def _line(row: Iterable[str], widths: Iterable[int]) -> str:
    return f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |"


def per_round(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """Ours divided by theirs, each pair from the same round."""
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))


def figure(value: float) -> str:
    """A number in about three digits."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}"
