"""Ends containers for a worker that is gone. Runs in the keeper: standard library only."""

import time

from iris_backends.docker._daemon import Daemon, DaemonError


class Sweep:
    """The containers with a label of a daemon, and their end once `grace` is set. None is left when none was
    seen for `certain` seconds."""

    def __init__(self, url: str, label: str, certain: float) -> None:
        self.grace: float | None = None  # seconds from SIGTERM to SIGKILL; None: they may go on
        self.trouble = ""  # what the daemon answered instead
        self._daemon = Daemon(url)
        self._label = label
        self._certain = certain
        self._kill_at: dict[str, float] = {}
        self._seen = time.monotonic()  # when a container was there for the last time
        self._away: float | None = None  # since when the daemon is

    def step(self, *, running_only: bool) -> bool:
        """Look, and do what is to be done now. True if none is left; `running_only`: none that runs."""
        now = time.monotonic()
        try:
            found = self._daemon.containers(self._label)
            if self.grace is not None:
                self._end(found, now, self.grace)
        except DaemonError as error:
            self.trouble, self._away, self._seen = str(error), self._away or now, now
            return False
        self.trouble, self._away = "", None
        if any(found.values()) or (found and not running_only):
            self._seen = now
            return False
        return now - self._seen >= self._certain

    def away(self) -> float:
        """Seconds since the daemon has not done what it was asked."""
        return 0.0 if self._away is None else time.monotonic() - self._away

    def _end(self, found: dict[str, bool], now: float, grace: float) -> None:
        fresh = [one for one, runs in found.items() if runs and one not in self._kill_at]
        self._kill_at |= dict.fromkeys(fresh, now + grace)
        self._daemon.terminate(fresh)
        self._daemon.remove(
            [one for one, runs in found.items() if not runs or now >= self._kill_at.get(one, now)]
        )
