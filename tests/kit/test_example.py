"""plugins/iris-example as a third party has it: built, and installed with Iris where there is no checkout."""

from __future__ import annotations

import re
import shutil

import pytest

from iris_api.testing import ResolverConformance, TransportConformance
from iris_api.testing.conformance import rules_of
from tests.rigs.apart import ROOT, Apart

TRANSPORT, RESOLVER = (len([*rules_of(kit)]) for kit in (TransportConformance, ResolverConformance))
EXAMPLE = ROOT / "plugins" / "iris-example"

CALL = """
from pathlib import Path

from iris.actor import ActorClient, ActorServer
from iris.actor.resolver import selected_resolver

class Calculator:
    def add(self, a, b):
        return a + b

resolver = selected_resolver()
with ActorServer() as server:
    server.register("calc", Calculator())
    server.serve_background()
    Path("names.toml").write_text(f'calc = "{server.address}"')
    print(server.address, ActorClient(resolver, "calc").add(1, 2), sep="\\n")
resolver.close()
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Apart:
    return Apart(tmp_path_factory.mktemp("apart"), ROOT, EXAMPLE)


@pytest.fixture
def selected(apart: Apart) -> Apart:
    """With an iris.toml that selects both plugins."""
    (apart.folder / "iris.toml").write_text(
        '[transport]\nkind = "mem"\n[resolver]\nkind = "file"\npath = "names.toml"\n'
    )
    return apart


def test_nothing_comes_from_the_checkout(apart: Apart) -> None:
    found = apart.run(
        "-c",
        "import iris_api.transport, iris_example; print(iris_api.transport.__file__, iris_example.__file__)",
    )
    assert all(path.startswith(str(apart.folder)) for path in found.split())


def test_its_own_tests_pass(apart: Apart) -> None:
    tests = apart.folder / "example"
    shutil.copytree(EXAMPLE / "tests", tests / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(EXAMPLE / "pyproject.toml", tests)
    shown = apart.run(
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tests),
        "-c",
        str(tests / "pyproject.toml"),
        str(tests),
    )
    assert re.search(rf"TestMem: \d+ of {TRANSPORT} rules kept", shown)
    assert re.search(rf"TestFile: \d+ of {RESOLVER} rules kept", shown)


def test_iris_lists_both(selected: Apart) -> None:
    lines = [line.split() for line in selected.run("-m", "iris", "plugins", "--check").splitlines()]
    assert ["*", "mem", "iris-example", "0.1.0", "ok"] in [line[:5] for line in lines]
    assert ["*", "file", "iris-example", "0.1.0", "ok"] in [line[:5] for line in lines]


@pytest.mark.parametrize(("name", "rules"), [("mem", TRANSPORT), ("file", RESOLVER)], ids=["mem", "file"])
def test_iris_checks_each(apart: Apart, name: str, rules: int) -> None:
    shown = apart.run("-m", "iris", "plugin", "check", name)
    assert re.search(rf"^{name}: \d+ passed, \d+ not promised of {rules} rules", shown, re.MULTILINE)


def test_a_call_goes_through_both(selected: Apart) -> None:
    address, result = selected.run("-c", CALL).split()
    assert address.startswith("mem://")
    assert result == "3"
