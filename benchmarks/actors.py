"""Actor calls, side by side with Ray and Pyro5: server and client in processes of their own, the systems in
turn within every round, ratios round by round."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from attrs import field, frozen

from benchmarks.environments import PINS, peer_python
from benchmarks.processes import BenchmarkError, Program, Session
from benchmarks.report import Metric, Ratio, Wanted, at_least, at_most, figure, per_round

__all__ = ["run"]

_ROUNDS: Final = 7
_CALLS: Final = 5_000
# What every system is asked in a round. The socket is there for the round trip only.
_QUESTIONS: Final[dict[str, dict[str, Any]]] = {
    "sync": {"seconds": 0.7},
    "pipelined": {"count": _CALLS, "seconds": 1.0},
    "echo": {"seconds": 0.5},
}
_NO_BATCHES: Final = {name: _QUESTIONS[name] for name in ("sync", "echo")}  # marshal cannot do them


@frozen
class System:
    """Its client, what it is asked, and its answers, one of each question a round."""

    client: Program
    questions: Mapping[str, dict[str, Any]] = field(default=_QUESTIONS)
    answers: dict[str, list[dict[str, float]]] = field(factory=lambda: {name: [] for name in _QUESTIONS})

    def warm_up(self) -> None:
        for question, args in self.questions.items():
            self.client.ask(question, **args)

    def ask(self, question: str) -> None:
        if question in self.questions:
            self.answers[question].append(self.client.ask(question, **self.questions[question]))

    def series(self, question: str, key: str) -> list[float]:
        return [given[key] for given in self.answers[question]]


def run() -> Iterator[Metric]:
    with Session() as session:
        systems, missing = _start(session)
        for number in range(_ROUNDS):
            _round(number, systems)
        yield from _metrics(systems)
    if missing:
        raise BenchmarkError("\n".join(missing))


def _start(session: Session) -> tuple[dict[str, System], list[str]]:
    """Every system that can be had, and why the others cannot."""
    makers: dict[str, Callable[[], System]] = {
        "iris": lambda: _pair(session, "iris_calls"),
        "socket": lambda: _pair(session, "socket_calls", questions={"sync": _QUESTIONS["sync"]}),
        "ray": lambda: _ray(session),
        "pyro5": lambda: _pair(session, "pyro5_calls", "serpent", peer="pyro5"),
        "marshal": lambda: _pair(session, "pyro5_calls", "marshal", peer="pyro5", questions=_NO_BATCHES),
    }
    systems: dict[str, System] = {}
    missing: list[str] = []
    for name, make in makers.items():
        try:
            systems[name] = make()
            systems[name].warm_up()
        except BenchmarkError as error:
            if name == "iris":
                raise
            missing.append(f"without {name}: {error}")
            systems.pop(name, None)
    return systems, missing


def _pair(
    session: Session,
    module: str,
    *args: str,
    peer: str = "",
    questions: Mapping[str, dict[str, Any]] = _QUESTIONS,
) -> System:
    """A server and a client of it; `args` are more of the client's."""
    python = peer_python(peer) if peer else None
    server = session.driver(module, "serve", python=python)
    return System(session.driver(module, "call", server.read(), *args, python=python), questions)


def _ray(session: Session) -> System:
    # Ray lowers its workers' priority by 15 unless told otherwise, which would make it look slower.
    env = {"RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    directory = str(session.directory / "ray")
    return System(session.driver("ray_calls", directory, python=peer_python("ray"), env=env))


def _round(number: int, systems: Mapping[str, System]) -> None:
    """Every question of every system in turn; each round another one is the first."""
    names = list(systems)
    first = number % len(names)
    for question in _QUESTIONS:
        for name in names[first:] + names[:first]:
            systems[name].ask(question)


def _metrics(systems: Mapping[str, System]) -> Iterator[Metric]:
    rows = [
        _row(systems, "sync no-op", "sync", "rate", "calls/s", "ray", at_least(5, "ratio")),
        _row(systems, "sync no-op", "sync", "rate", "calls/s", "pyro5", at_least(0.8, "ratio")),
        _row(systems, "sync no-op", "sync", "rate", "calls/s", "marshal"),
        _row(systems, "sync no-op, p50", "sync", "p50", "us", "socket"),
        _row(systems, "sync no-op, p99", "sync", "p99", "us", "pyro5"),
        _row(systems, f"{_CALLS:,} pipelined", "pipelined", "rate", "calls/s", "ray", at_least(8, "ratio")),
        _row(systems, f"{_CALLS:,} pipelined", "pipelined", "rate", "calls/s", "pyro5"),
        _row(systems, "echo of a 1 MB array", "echo", "p50", "ms", "ray", at_most(0.6, "ratio")),
        _row(systems, "echo of a 1 MB array", "echo", "p50", "ms", "pyro5"),
        _row(systems, "echo of a 1 MB array", "echo", "p50", "ms", "marshal"),
    ]
    yield from (row for row in rows if row is not None)
    if "ray" in systems:
        nice = systems["ray"].client.ask("niceness")
        yield Metric(name="actors: nice value of Ray's worker", value=nice, unit="")


def _row(
    systems: Mapping[str, System],
    name: str,
    question: str,
    key: str,
    unit: str,
    peer: str,
    wanted: Wanted | None = None,
) -> Metric | None:
    if peer not in systems:
        return None
    scale = {"us": 1e6, "ms": 1e3}.get(unit, 1.0)
    ours = systems["iris"].series(question, key)
    theirs = systems[peer].series(question, key)
    ratio: Ratio = per_round(ours, theirs)
    label = f"{_LABELS[peer]}: {figure(statistics.median(theirs) * scale)} {unit}"
    return Metric(
        name=f"actors: {name}",
        value=statistics.median(ours) * scale,
        unit=unit,
        peer=label,
        ratio=ratio,
        wanted=wanted,
    )


_LABELS: Final = {
    "ray": PINS["ray"][0].replace("ray==", "Ray "),
    "pyro5": PINS["pyro5"][0].replace("==", " "),
    "marshal": "the same with marshal",
    "socket": "bare socket",
}
