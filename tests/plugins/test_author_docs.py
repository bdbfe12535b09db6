"""The pages for authors say what the code says, and the tutorial works as it is written there."""

from __future__ import annotations

import inspect
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from iris.cli._plugin_new import Package
from iris_api import hookspecs
from iris_api.testing import wait_for_condition
from iris_api.testing.conformance import rules_of
from tests.plugins.test_new import installed, python
from tools.plugin_docs import CONTRACTS, KITS, PAGES, filled

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


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
def test_every_method_is_documented_with_its_arguments(contract: type) -> None:
    methods = [one for name, one in vars(contract).items() if inspect.isfunction(one) and name[0] != "_"]
    assert documented(contract.__name__) == [written(method) for method in methods]


def test_every_hook_is_documented_with_its_arguments() -> None:
    hooks = [one for name, one in vars(hookspecs).items() if name.startswith("iris_")]
    assert sorted(documented("hooks")) == sorted(map(written, hooks))


@pytest.mark.parametrize("kit", KITS, ids=lambda kit: kit.kind)
def test_every_rule_is_documented_with_its_sentence(kit: type) -> None:
    for rule in rules_of(kit):
        assert rule.sentence, f"{rule.name} says nothing"
        assert f"| `{rule.name}` | {rule.sentence} |" in EVERYTHING.replace("\\|", "|")


def test_every_link_leads_somewhere() -> None:
    overview = PAGES.parent / "plugins.md"
    for page in [overview, *PAGES.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("name", ["local", "process", "http", "fixed", "cluster"])
def test_the_transcript_of_a_check_has_every_rule_and_none_broken(name: str) -> None:
    """Made by `make docs ARGS=--transcripts`."""
    command, _, *rows, _ = (PAGES / "checks" / f"{name}.txt").read_text().splitlines()
    assert command == f"$ iris plugin check {name}"
    kinds = {row.partition(".")[0] for row in rows}
    wanted = {rule.name for kit in KITS if kit.kind in kinds for rule in rules_of(kit)}
    assert {row.split()[0] for row in rows} == wanted
    assert not [row for row in rows if row.split()[1] == "failed"]


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
