"""Cycles of ``kill -9``: a cluster under traffic whose controller and workers die, again and again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from attrs import define, field

from iris.client.job import Job
from iris.cluster.types import JobState
from iris_api.testing import wait_for_condition
from iris_api.threads import ThreadContainer
from tests.chaos.crew import Crew
from tests.chaos.death import Death
from tests.chaos.journal import SOON, Journal
from tests.chaos.points import POINTS
from tests.chaos.traffic import Traffic
from tests.chaos.workload import Folder, keeper, server
from tests.rigs.site import Site

__all__ = ["Outcome", "run"]

_ATTEMPTS = 0.4  # share of the cycles in which a supervisor or a task is killed as well
_DRAIN = 120.0  # seconds for all that was submitted to end


@define
class Outcome:
    """`hit` counts deaths by point; `elsewhere` those that had to be killed before they got there."""

    seed: str
    cycles: int = 0
    attempts: int = 0  # supervisors and tasks that were killed as well
    hit: dict[str, int] = field(factory=dict)
    elsewhere: dict[str, int] = field(factory=dict)
    faults: list[str] = field(factory=list)
    submitted: int = 0
    calls: int = 0
    seconds: float = 0.0


def run(
    directory: Path, plan: Sequence[Death], threads: ThreadContainer, *, seed: str, together: bool
) -> Outcome:
    """Carry out the deaths under traffic, then let all end, and tell what was found."""
    with Site(directory, own_workers=1 if together else 0).running() as site:
        crew = Crew(site, together)
        outcome = Outcome(seed)
        journal = Journal(site, Folder(directory), crew.away, crew.excused)
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


def _under_traffic(
    site: Site,
    crew: Crew,
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
    random, spare = Random(f"{outcome.seed}-attempts"), {uid for job in stays for uid in _uids(job)}
    try:
        for death in plan:
            if random.random() < _ATTEMPTS:
                outcome.attempts += bool(crew.kill_an_attempt(random, spare))
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


def _uids(job: Job) -> list[str]:
    return [attempt.uid for task in job.status().tasks for attempt in task.attempts]


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
