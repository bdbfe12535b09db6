"""Crew: the programs of a cluster, and how they die."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Collection
from random import Random

from tests.chaos.death import Death
from tests.chaos.journal import Away
from tests.chaos.launch import Order, argv_with
from tests.chaos.points import POINTS
from tests.rigs.remains import attempt_processes, parent_of, processes_of
from tests.rigs.site import Site

__all__ = ["Crew"]

_PATIENCE = 6.0  # seconds to get to a point; who has not is killed where it is
_SUPERVISOR = re.compile(r"/sandboxes/([0-9a-f]{16}) ?$")


class Crew:
    """The programs of a site. Each counts as away from its death until it serves again."""

    def __init__(self, site: Site, together: bool) -> None:
        self.site, self.away = site, Away()
        self.excused: set[str] = set()  # attempts that were killed themselves
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

    def kill_an_attempt(self, random: Random, spare: Collection[str]) -> str:
        """Kill the supervisor, or the first process, of some attempt; returns its uid, empty if there
        is none. `spare` are uids that are left alone."""
        found = [(uid, pid) for uid, pid in _supervisors(self.site) if uid not in spare]
        if not found:
            return ""
        uid, supervisor = random.choice(found)
        tasks = [seen.pid for seen in attempt_processes(self.site.address).get(uid, ())]
        first = [pid for pid in tasks if parent_of(pid) == supervisor]
        self.excused.add(uid)
        with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
            os.kill(random.choice([supervisor, *first]), signal.SIGKILL)
        return uid

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


def _supervisors(site: Site) -> list[tuple[str, int]]:
    """Of each attempt that runs: its uid and the pid."""
    found = [
        (_SUPERVISOR.search(seen.command), seen.pid) for seen in processes_of(site.directory, site.address)
    ]
    return sorted((match[1], pid) for match, pid in found if match)
