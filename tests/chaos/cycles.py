"""Cycles of ``kill -9``: a cluster under traffic whose controller and workers die, again and again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from attrs import define, field, frozen

from iris.client.job import Job
from iris.cluster.types import JobState
from iris_api.testing import wait_for_condition
from iris_api.threads import ThreadContainer
from tests.chaos.journal import SOON, Away, Journal
from tests.chaos.launch import Order, argv_with
from tests.chaos.points import POINTS
from tests.chaos.traffic import Traffic
from tests.chaos.workload import Folder, keeper, server
from tests.rigs.site import Site

__all__ = ["Death", "Outcome", "deaths", "run"]

_PATIENCE = 6.0  # seconds to get to a point; who has not is killed where it is
_DRAIN = 120.0  # seconds for all that was submitted to end


@frozen
class Death:
    """Of the program `who`, at the `count`-th pass of a point."""

    who: str
    point: str
    count: int


@define
class Outcome:
    """`hit` counts deaths by point; `elsewhere` those that had to be killed before they got there."""

    seed: str
    cycles: int = 0
    hit: dict[str, int] = field(factory=dict)
    elsewhere: dict[str, int] = field(factory=dict)
    faults: list[str] = field(factory=list)
    submitted: int = 0
    calls: int = 0
    seconds: float = 0.0


def deaths(random: Random, cycles: int, *, together: bool, points: Sequence[str] = ()) -> list[Death]:
    """Every point as often as the others, in any order. `together`: controller and worker are one process."""
    names = list(points or POINTS)
    chosen: list[str] = []
    while len(chosen) < cycles:
        random.shuffle(names)
        chosen += names
    return [_death(random, name, together=together) for name in chosen[:cycles]]


def _death(random: Random, name: str, *, together: bool) -> Death:
    point = POINTS[name]
    who = "controller" if together or point.side == "controller" else random.choice(("one", "two"))
    return Death(who, name, random.randrange(1, point.most + 1))


def run(
    directory: Path, plan: Sequence[Death], threads: ThreadContainer, *, seed: str, together: bool
) -> Outcome:
    """Carry out the deaths under traffic, then let all end, and tell what was found."""
    with Site(directory, own_workers=1 if together else 0).running() as site:
        crew = _Crew(site, together)
        outcome = Outcome(seed)
        journal = Journal(site, Folder(directory), crew.away)
        began = time.monotonic()
        try:
            crew.start()
            _under_traffic(site, crew, journal, outcome, plan, threads)
            crew.stop()
            _nothing_left(site, journal)
        except Exception as error:
            journal.fault(f"the run was cut short by {type(error).__name__}: {error}\n{crew.last_words()}")
        outcome.seconds = time.monotonic() - began
        outcome.faults, outcome.submitted = journal.faults, journal.submitted
        return outcome


class _Crew:
    """The programs of a site. Each counts as away from its death until it serves again."""

    def __init__(self, site: Site, together: bool) -> None:
        self.site, self.away = site, Away()
        names = ("controller",) if together else ("controller", "one", "two")
        self._programs = {name: site.program(name) for name in names}
        self._orders = {name: Order(site.directory / f"{name}.order") for name in names}

    def start(self) -> None:
        with self.away:
            for name in self._programs:
                self._restart(name)

    def stop(self) -> None:
        for program in reversed(self._programs.values()):
            program.stop()

    def die(self, death: Death) -> bool:
        """Have one die and start it again. Whether it died at the point, and not where it was killed."""
        program, order = self._programs[death.who], self._orders[death.who]
        with self.away:
            order.give(death.point, death.count)
            if POINTS[death.point].starting:
                program.kill()
                program.launch(self._argv(death.who))
            program.wait(_PATIENCE)
            program.kill()
            reached = order.obeyed
            order.withdraw()
            self._restart(death.who)
        return reached

    def last_words(self) -> str:
        return "\n".join(f"{program.log}: {program.said()[-1500:]}" for program in self._programs.values())

    def _restart(self, name: str) -> None:
        program = self._programs[name]
        program.launch(self._argv(name))
        ready = r"Ctrl\+C ends it"
        if not program.wait_to_say(ready):
            raise AssertionError(f"{name} did not start: {program.said()[-3000:]}")

    def _argv(self, name: str) -> list[str]:
        plain = self.site.up_argv() if name == "controller" else self.site.worker_argv(name)
        return argv_with(plain, self._orders[name])


def _under_traffic(
    site: Site,
    crew: _Crew,
    journal: Journal,
    outcome: Outcome,
    plan: Sequence[Death],
    threads: ThreadContainer,
) -> None:
    folder, client = Folder(site.directory), site.client()
    stays = [keeper(client, folder, "keeper"), server(client, folder, "server")]
    for job in stays:
        wait_for_condition(lambda job=job: job.state is JobState.RUNNING, 30.0)  # type: ignore[misc]
    traffic = Traffic(site.client, folder, journal, threads.child("traffic"), seed=outcome.seed)
    traffic.start(stays[1])
    try:
        for death in plan:
            traffic.wanted = POINTS[death.point].kind
            reached = crew.die(death)
            where = outcome.hit if reached else outcome.elsewhere
            where[death.point] = where.get(death.point, 0) + 1
            outcome.cycles += 1
            _wait_for_looks(journal)
    finally:
        traffic.stop()
    outcome.calls = traffic.calls
    folder.end.touch()
    wait_for_condition(lambda: not journal.still_open(client), _DRAIN, 0.2, message="every job to end")
    for job in stays:
        _check_untouched(job, journal)


def _wait_for_looks(journal: Journal) -> None:
    """One look may have begun before: two have seen what is now."""
    enough = journal.looks + 2
    wait_for_condition(lambda: journal.looks >= enough, 30.0, message="the controller to be looked at")


def _check_untouched(job: Job, journal: Journal) -> None:
    """It has run from the first second to the last, and each line of its output is there, once."""
    status = job.wait(timeout=30.0)
    (task,) = status.tasks or job.status().tasks
    if len(task.attempts) != 1:
        journal.fault(f"P7: {job.job_id} was tried {len(task.attempts)} times: {task.attempts}")
    lines = [entry.data for entry in job.tasks()[0].logs()]
    if job.name == "keeper" and lines != [
        *(f"count {i}" for i in range(len(lines) - 1)),
        f"counted {len(lines) - 1}",
    ]:
        journal.fault(f"log of {job.job_id} is not exact: {lines[:3]}...{lines[-3:]}, {len(lines)} lines")


def _nothing_left(site: Site, journal: Journal) -> None:
    try:
        wait_for_condition(lambda: not site.left(), SOON)
    except TimeoutError:
        journal.fault(f"P6: after the orderly end there is {site.left()}")
