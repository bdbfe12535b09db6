"""Plugins that were written for version 1 of the interface go on loading and keeping the rules."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from iris_api.plugins import Plugins
from tests.compat.iris_v1.conformance import (
    TestMachinesOfV1,
    TestPostOfV1,
    TestResolverOfV1,
    TestRuntimeOfV1,
    TestTransportOfV1,
    TestWatchOfV1,
)
from tests.plugins.site import Site, site

__all__ = [
    "TestMachinesOfV1",
    "TestPostOfV1",
    "TestResolverOfV1",
    "TestRuntimeOfV1",
    "TestTransportOfV1",
    "TestWatchOfV1",
    "site",
]

FROZEN = Path(__file__).parent / "iris_v1"
DIGESTS = Path(__file__).parent / "iris_v1.sha256"
PLUGINS = """[iris]
v1 = tests.compat.iris_v1
v1-runtime = tests.compat.iris_v1.runtime
v1-able = tests.compat.iris_v1.able
"""


@pytest.fixture(autouse=True)
def v1(site: Site) -> None:
    """They are installed."""
    site.add_metadata("iris-v1", "1.0", PLUGINS, requires="iris-cluster>=0.1")


def test_it_is_as_it_was_written() -> None:
    found = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in _files()]
    assert found == DIGESTS.read_text().splitlines(), "these plugins are frozen: change Iris instead"


@pytest.mark.parametrize(
    ("name", "offers"),
    [
        ("v1", ("platform", "transport", "resolver")),
        ("v1-runtime", ("platform",)),
        ("v1-able", ("transport", "resolver")),
    ],
)
def test_it_loads_and_offers_what_it_did(name: str, offers: tuple[str, ...]) -> None:
    assert Plugins().load(name).offers == offers


def _files() -> list[Path]:
    return sorted(FROZEN.glob("*.py"))
