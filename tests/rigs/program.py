"""A program of its own process, which can be killed, suspended, and started again."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from iris_api.testing import wait_for_condition

__all__ = ["Program", "iris"]

_LIMIT = 30.0  # seconds for a program to say that it is up, or to end


def iris(*arguments: str) -> list[str]:
    """The argv of the command ``iris``."""
    return [sys.executable, "-u", "-m", "iris", *arguments]


class Program:
    """One command, as often as it is started. What it says goes to the file `log`, all starts in one."""

    def __init__(self, log: Path, *, env: Mapping[str, str], within: Sequence[str] = ()) -> None:
        """`within` is put before each argv, such as ``ip netns exec NAME``."""
        self.log, self._env, self._within = log, dict(env), tuple(within)
        self._process: subprocess.Popen[bytes] | None = None
        self._said_from = 0

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def launch(self, argv: Sequence[str]) -> None:
        """Start it; returns at once."""
        assert not self.running, f"{self.log.stem} runs already"
        self._said_from = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            command = [*self._within, *argv]
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **self._env}
            )

    def said(self) -> str:
        """What it has said since its last start."""
        with self.log.open("rb") as log:
            log.seek(self._said_from)
            return log.read().decode(errors="replace")

    def wait_to_say(self, pattern: str, timeout: float = _LIMIT) -> bool:
        """Block until it has said a line that matches; False when it has ended before. Raises
        ConditionTimeout."""

        def known() -> bool | None:
            ended = not self.running
            return True if re.search(pattern, self.said()) else (False if ended else None)

        found = wait_for_condition(
            lambda: (answer := known()) is not None and (answer,),
            timeout,
            message=f"{self.log.stem} to say {pattern!r}",
        )
        return bool(found and found[0])

    def wait(self, timeout: float) -> int | None:
        """Its exit code, negative for a signal; None while it runs on."""
        assert self._process is not None
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """As a crash does. Fine when it has ended."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_LIMIT)

    def suspend(self) -> None:
        """SIGSTOP; returns when it stands still."""
        self.signal(signal.SIGSTOP)
        stat = Path(f"/proc/{self.pid}/stat")
        wait_for_condition(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")

    def resume(self) -> None:
        self.signal(signal.SIGCONT)

    def stop(self, timeout: float = _LIMIT) -> None:
        """As Ctrl+C does; killed when it does not end, which fails. Fine when it has ended."""
        if not self.running:
            return
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGINT)
        if self.wait(timeout) is None:
            self.kill()
            raise AssertionError(f"{self.log.stem} did not end within {timeout:.0f} s: {self.said()[-1000:]}")

    def cpu_seconds(self) -> float:
        """What it has used of the processor until now."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def quiet_for(self, seconds: float) -> float:
        """The share of a processor that it uses during the next `seconds`."""
        before = self.cpu_seconds()
        time.sleep(seconds)
        return (self.cpu_seconds() - before) / seconds
