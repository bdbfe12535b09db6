"""The pages for authors say what the code says, and the tutorial works as it is written there."""

from __future__ import annotations

import inspect
import os
import re
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from iris.cli._plugin_new import Package
from iris_api import context, hookspecs, platform, resolver, transport
from iris_api.testing import Conformance, RuntimeConformance, wait_for_condition
from iris_api.testing.conformance import given_by, rules_of
from tests.plugins.test_new import installed, python
from tools.plugin_docs import CONTRACTS, KITS, PAGES, VALUES, filled, first_party, parts
from tools.plugin_parts import attributes, public

TUTORIAL = (PAGES / "write-a-platform.md").read_text()
EVERYTHING = "\n".join(page.read_text() for page in sorted(PAGES.glob("*.md")))
IMPORT = re.compile(r"^(from|import) ")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TUTORIAL, re.DOTALL)


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def test_the_pages_are_as_they_are_generated() -> None:
    """`make docs` would change nothing."""
    stale = [page.name for page in PAGES.glob("*.md") if filled(page.read_text()) != page.read_text()]
    assert stale == []


def documented(part: str) -> list[str]:
    """The signatures in the part of this name."""
    (text,) = re.findall(rf"<!-- generated: {part} -->(.*?)<!-- end -->", EVERYTHING, re.DOTALL)
    return re.findall(r"^#### `(\w+\(.*)`$", text, re.MULTILINE)


def written(function: Callable[..., object]) -> str:
    return f"{function.__name__}{inspect.signature(function)}".replace("'", "")


@pytest.mark.parametrize("contract", [*CONTRACTS, *VALUES], ids=lambda contract: contract.__name__)
def test_every_method_is_documented_with_its_arguments(contract: type) -> None:
    assert documented(contract.__name__) == [written(method) for method in public(contract)]


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
def test_every_attribute_is_documented_with_its_type(contract: type) -> None:
    own = [name for name in inspect.get_annotations(contract) if not name.startswith("_")]
    told = [text for text, _ in attributes(contract)]
    assert [text.partition(":")[0] for text in told] == own
    for text in told:
        assert f"#### `{text}`" in EVERYTHING


@pytest.mark.parametrize("module", [platform, transport, resolver, context], ids=lambda one: one.__name__)
def test_every_name_of_a_contract_is_documented(module: ModuleType) -> None:
    """Classes and types; numbers and functions need no page."""
    types = {name for name in module.__all__ if not isinstance(vars(module)[name], int | float)}
    assert types <= set(parts())
    assert all(f"<!-- generated: {name} -->" in EVERYTHING for name in types)


def test_every_part_is_on_a_page_once() -> None:
    assert {name: EVERYTHING.count(f"<!-- generated: {name} -->") for name in parts()} == dict.fromkeys(
        parts(), 1
    )


def test_every_hook_is_documented_with_its_arguments() -> None:
    hooks = [one for name, one in vars(hookspecs).items() if name.startswith("iris_")]
    assert sorted(documented("hooks")) == sorted(map(written, hooks))


@pytest.mark.parametrize("kit", KITS, ids=lambda kit: kit.kind)
def test_every_rule_is_documented_with_its_sentence(kit: type) -> None:
    for rule in rules_of(kit):
        assert rule.sentence, f"{rule.name} says nothing"
        assert f"| `{rule.name}` | {rule.sentence} |" in EVERYTHING.replace("\\|", "|")


@pytest.mark.parametrize("kit", KITS, ids=lambda kit: kit.kind)
def test_every_fixture_that_must_be_overridden_says_so(kit: type[Conformance]) -> None:
    """The others do something by themselves; which are which is on the page."""
    for one in given_by(kit):
        body = inspect.getsource(inspect.unwrap(getattr(kit, one.name)))
        assert one.sentence
        assert (f'override("{one.name}")' in body) is one.required
        assert f"| `{one.name}` |" in EVERYTHING
        assert not one.ability or one.ability in kit.abilities


@pytest.mark.parametrize("kit", KITS, ids=lambda kit: kit.kind)
def test_fixtures_to_be_overridden_stand_apart_from_the_others(kit: type[Conformance]) -> None:
    """In each class those that must be come first, then those that may be, then the kit's own."""
    ranks = {one.name: 0 if one.required else 1 for one in given_by(kit)}
    fixture = type(Conformance.promised)
    for base in kit.__mro__:
        found = [ranks.get(name, 2) for name, one in vars(base).items() if type(one) is fixture]
        assert found == sorted(found), base.__name__


def test_every_link_leads_somewhere() -> None:
    overview = PAGES.parent / "plugins.md"
    for page in [overview, *PAGES.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("name", first_party())
def test_the_transcript_of_a_check_has_every_rule_and_none_broken(name: str) -> None:
    """Made by `make docs ARGS=--transcripts`."""
    command, _, *rows, _ = (PAGES / "checks" / f"{name}.txt").read_text().splitlines()
    assert re.fullmatch(
        rf"\$ iris plugin check {name}( --config iris.toml --table platforms.{name})?", command
    )
    kinds = {row.partition(".")[0] for row in rows}
    wanted = {rule.name for kit in KITS if kit.kind in kinds for rule in rules_of(kit)}
    assert {row.split()[0] for row in rows} == wanted
    assert not [row for row in rows if row.split()[1] == "failed"]


def test_the_page_on_testing_shows_what_a_run_prints() -> None:
    """Of the class that it has as its sample, which leaves one ability out."""
    page = (PAGES / "test-a-plugin.md").read_text()
    (left_out,) = re.findall(r'not_promised = \{"(\w+)": "this machine room has no limits"\}', page)
    rules = list(rules_of(RuntimeConformance))
    missing = {rule.name for rule in rules if rule.ability == left_out}
    assert f" TestAcme: {len(rules) - len(missing)} of {len(rules)} rules kept " in page
    assert set(re.findall(r"^(\S+) +not promised  this machine", page, re.MULTILINE)) == missing


def test_the_page_on_shipping_shows_the_metadata_that_new_writes() -> None:
    """But for what is each author's own."""
    page = (PAGES / "ship-a-plugin.md").read_text()
    shown = tomllib.loads(re.findall(r"```toml\n(.*?)```", page, re.DOTALL)[0])["project"]
    text = Package("acme", "platform").texts()["pyproject.toml"]
    written = tomllib.loads(text)["project"]
    assert {key: written[key] for key in shown} | {"version": shown["version"]} == shown
    (needs,) = (one for one in shown["dependencies"] if one.startswith("iris-cluster"))
    assert page.count(needs.removeprefix("iris-cluster")) == 2, "the text says what the sample says"
    assert f'"{needs}"' in (PAGES.parent / "plugins.md").read_text()


def test_the_tutorial_shows_what_new_writes() -> None:
    *shown, conformance = blocks("python")
    texts = Package("orders", "platform").texts()
    assert lines("".join(shown)) == lines(texts["iris_orders/__init__.py"])
    assert lines(conformance) == lines(texts["iris_orders/conformance.py"])


def test_the_tutorial_s_platform_has_60_lines() -> None:
    """Blank lines, documentation and imports are not counted."""
    *shown, _ = blocks("python")
    code = [line.strip() for line in lines("".join(shown))]
    assert len([line for line in code if not line.startswith(('"""', "#")) and not IMPORT.match(line)]) <= 60


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The package of the tutorial, made of the page's own blocks, and installed."""
    *shown, conformance = blocks("python")
    texts = Package("orders", "platform").texts()
    texts |= {"iris_orders/__init__.py": "\n".join(shown), "iris_orders/conformance.py": conformance}
    for name, text in texts.items():
        path = tmp_path / "iris-orders" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return installed(tmp_path / "iris-orders")


@pytest.mark.slow
@pytest.mark.timeout(330)
def test_the_tutorial_s_platform_keeps_the_rules(package: Path) -> None:
    ran = python(package, "pytest", "-p", "iris_api.testing.plugin", "-q")
    assert ran.returncode == 0, ran.stdout


@pytest.mark.slow
def test_the_tutorial_s_cluster_runs_a_job(package: Path, tmp_path: Path, own_state: Path) -> None:
    """The page's iris.toml, and the page's loop as the owner of the machines."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    toml = next(block for block in blocks("toml") if "[pools.default]" in block)
    (tmp_path / "iris.toml").write_text(toml.replace("10000", str(port)))
    (loop,) = blocks("bash")
    (tmp_path / "owner.sh").write_text(loop)
    (tmp_path / "iris").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m iris "$@"\n')
    (tmp_path / "iris").chmod(0o755)
    env = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(package), *sys.path]),
        "PATH": os.pathsep.join([str(tmp_path), os.environ["PATH"]]),
    }
    started = [
        subprocess.Popen(argv, cwd=tmp_path, env=env, start_new_session=True, stdout=subprocess.DEVNULL)
        for argv in (["iris", "up"], ["bash", "owner.sh"])
    ]
    try:
        wait_for_condition(lambda: list((tmp_path / "orders" / "default").glob("*.up")), 30)
        ran = subprocess.run(
            ["iris", "run", "--", "echo", "hello"],
            cwd=tmp_path, env=env, capture_output=True, text=True, timeout=50, check=False,
        )  # fmt: skip
    finally:
        for process in reversed(started):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)
    assert ran.stdout.splitlines()[-1:] == ["hello"], ran.stderr
