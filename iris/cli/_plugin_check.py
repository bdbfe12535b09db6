"""The rules of the kit, run on an installed plugin in a process of its own, which is watched."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click
from attrs import asdict, frozen

from iris.cli._plugin_events import Events, Finding, cause, last_seen
from iris_api.errors import ConfigError, IrisError, MissingDependency
from iris_api.plugins import Plugins, plugin_patience

__all__ = ["Check", "Finding", "show"]

_STYLES: Final = {
    "passed": "green",
    "failed": "red",
    "not promised": "yellow",
    "skipped": "yellow",
    "not run": "yellow",
}
_ENDS: Final = (0, 1, 5)  # pytest's status: all passed, some failed, there were none
_MARGIN: Final = 10.0  # seconds: what bounds itself by the plugin's time is told by itself
_CLEANING: Final = 10.0  # seconds that tests have to end what they have started


class CheckFailed(IrisError):
    """The rules could not be run to their end."""


@frozen
class Check:
    """A check of the plugin `name`, whose label has its package and version too."""

    name: str
    label: str
    config: Path | None = None
    table: str | None = None
    tests: str | None = None

    @classmethod
    def of(cls, name: str, config: Path | None, table: str | None, tests: str | None) -> Check:
        """Raises what can be known to be wrong without importing the plugin."""
        if importlib.util.find_spec("pytest") is None:
            raise MissingDependency("pytest", extra="testing")
        plugins = Plugins()
        found = [info for info in plugins.installed() if info.name == name]
        if not found:
            plugins.load(name)  # which says what there is
        if config is not None and table is None:
            raise ConfigError(["--config alone names no table; add --table, such as --table platforms.mine"])
        return cls(name, str(found[0]), config, table, tests)

    def run(self, timeout: float) -> Sequence[Finding]:
        """What became of each rule. Raises CheckFailed where none could be run."""
        with tempfile.TemporaryDirectory(prefix="iris-check-") as scratch:
            watched = _Watched(Path(scratch), self._subject(), timeout)
            events, why = watched.run()
            output = watched.output()
        if why and events.at.startswith("the rule "):
            return events.findings(why)
        if why:
            raise CheckFailed(f"plugin {self.label} {why} in {events.at}")
        if events.failed:
            raise CheckFailed(events.failed)
        if events.ended not in _ENDS:
            raise CheckFailed(f"plugin {self.label}: its rules could not be run: {cause(output)}")
        return self._tested(events)

    def _tested(self, events: Events) -> Sequence[Finding]:
        if not events.found:
            raise CheckFailed(
                f"plugin {self.label}: its tests have no rule of the kit; a class of them is called "
                "Test... and subclasses one such as MachinesConformance"
            )
        if self.name not in events.made:
            made = f" of {', '.join(events.made)}" if events.made else ""
            raise CheckFailed(
                f"plugin {self.label}: these are the tests{made or ' of something else'}: they have made no "
                f"object of it; write installed({self.name!r}) in them (see docs/plugins/test-a-plugin.md)"
            )
        return events.findings()

    def _subject(self) -> str:
        config = str(self.config) if self.config else None
        return json.dumps(
            {
                "name": self.name,
                "label": self.label,
                "config": config,
                "table": self.table,
                "tests": self.tests,
            }
        )


class _Watched:
    """The process of a check. It is asked to end, then ended, when it tells nothing for too long."""

    def __init__(self, scratch: Path, subject: str, timeout: float) -> None:
        self._events, self._stacks = scratch / "events", scratch / "stacks"
        self._printed = scratch / "output"
        self._argv = [
            *(sys.executable, "-P", "-m", "iris.cli._plugin_subject", subject),
            *(str(self._events), str(self._stacks)),
        ]
        self._timeout = timeout
        self._silence = plugin_patience() + _MARGIN

    def run(self) -> tuple[Events, str]:
        """What it has told, and why it did not come to its end, empty if it did."""
        self._events.touch()
        with self._started() as process:
            why = self._wait(process) or self._death(process)
            told = self._told()  # before its tests are ended, which is told too
        return told, why

    @contextlib.contextmanager
    def _started(self) -> Iterator[subprocess.Popen[bytes]]:
        environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
        with self._printed.open("wb") as output:
            process = subprocess.Popen(
                self._argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
            )
        try:
            yield process
        finally:
            _end(process)

    def _wait(self, process: subprocess.Popen[bytes]) -> str:
        """Why it is not to go on; empty once it has ended."""
        end = time.monotonic() + self._timeout
        size, heard = 0, time.monotonic()
        while process.poll() is None:
            now = time.monotonic()
            if self._events.stat().st_size != size:
                size, heard = self._events.stat().st_size, now
            if now > end:
                return f"has not ended within the {self._timeout:g} s of --timeout{self._where(process)}"
            if now > heard + self._silence:
                return f"has not returned for {now - heard:.0f} s{self._where(process)}"
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        return ""

    def _where(self, process: subprocess.Popen[bytes]) -> str:
        """``, last seen in acme.py, line 7, in connect``."""
        process.send_signal(signal.SIGUSR1)
        for _ in range(20):
            if found := last_seen(self._stacks.read_text()):
                return f", last seen in {found}"
            time.sleep(0.05)
        return ""

    def _death(self, process: subprocess.Popen[bytes]) -> str:
        told = self._told()
        if told.interrupted:
            return f"interrupted its tests: {told.interrupted}"
        if told.ended is not None:
            return ""
        code = process.returncode
        how = f"exit status {code}" if code >= 0 else signal.Signals(-code).name
        return f"ended the interpreter ({how})"

    def output(self) -> str:
        return self._printed.read_text(errors="replace")

    def _told(self) -> Events:
        return Events.read(self._events.read_text())


def show(name: str, found: Sequence[Finding], as_json: bool) -> None:
    """Print a table of the rules, or JSON."""
    from rich.markup import escape

    from iris.cli._tables import show_table

    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=2))
        return
    rows = [
        (one.rule, f"[{_STYLES.get(one.outcome, 'white')}]{one.outcome}[/]", escape(one.reason))
        for one in found
    ]
    show_table(("RULE", "OUTCOME", "WHY"), rows, "no rules")
    counts = {outcome: sum(one.outcome == outcome for one in found) for outcome in _STYLES}
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    click.echo(f"{name}: {told} of {len(found)} rules")


def _end(process: subprocess.Popen[bytes]) -> None:
    """As Ctrl+C does, so that tests clean up; then for good."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_CLEANING)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
