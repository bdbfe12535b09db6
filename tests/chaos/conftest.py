"""Faults of real processes, disks and networks. ``make chaos`` runs all; ``make test`` a sample."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from iris_api.threads import ThreadContainer, ThreadRegistry
from tests.chaos.cycles import Outcome
from tests.chaos.report import print_report
from tests.rigs.site import Site

WHOLE = os.environ.get("IRIS_CHAOS") == "whole"
_outcomes: dict[str, Outcome] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is marked `chaos` is for the whole run only."""
    if not WHOLE:
        for item in items:
            if item.get_closest_marker("chaos"):
                item.add_marker(pytest.mark.skip(reason="for the whole run: make chaos"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """After a whole run, what was hit and what was found."""
    if WHOLE:
        ends = [
            (report.nodeid.partition("::")[2], kind, report.duration)
            for kind in ("passed", "failed", "skipped")
            for report in terminalreporter.stats.get(kind, ())
        ]
        print_report(_outcomes, ends)


@pytest.fixture(scope="session")
def outcomes() -> dict[str, Outcome]:
    """Of the runs of this session, by name; printed at its end."""
    return _outcomes


@pytest.fixture(scope="session")
def seed() -> str:
    """Of every random choice. The sample's does not change, so that a test is the same each time."""
    return os.environ.get("IRIS_CHAOS_SEED", "sample")


@pytest.fixture
def threads(thread_registry: ThreadRegistry) -> ThreadContainer:
    return thread_registry.container


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A controller's place, without workers of its own."""
    with Site(tmp_path / "site", own_workers=0).running() as site:
        yield site
