"""`iris plugin check`: the rules of the kit on an installed plugin, with a table of iris.toml."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from iris.cli import main
from iris_api.testing import leaked_processes, process_snapshot, wait_for_condition
from tests.plugins.site import PLATFORM, Site

RESOLVER = """
from attrs import frozen
from iris_api.hookspecs import hookimpl
from iris_api.provider import Provider
from iris_api.resolver import Endpoint, Resolver

@frozen
class Options:
    address: str = "http://127.0.0.1:1"

class Made(Resolver):
    def __init__(self, options, context):
        self.options = options
    def resolve(self, name):
        return {answer}

@hookimpl
def iris_resolver():
    return Provider(Options, Made, "a resolver of a test"{more})
"""
TESTS = """
import pytest
from iris_api.testing import ResolverConformance

class Names:
    def __init__(self, installed):
        self.plugin = installed("acme")
    def resolver(self):
        return self.plugin.resolver()
    def register(self, name, address):
        return ""
    def unregister(self, uid):
        pass

class TestAcme(ResolverConformance):
    not_promised = dict.fromkeys(["changes", "several", "uids", "outages"], "it is of a test")
    @pytest.fixture
    def registry(self, installed):
        return Names(installed)
    {extra}
"""
OPTIONS = """
    def test_options(self, registry):
        '''It has the options of the table.'''
        assert registry.resolver().options.address == "http://127.0.0.1:7"
"""
BROKEN = """
from iris_api.platform import Machines

class Broken(Machines):
    def create(self, request):
        raise RuntimeError("no")
    def list(self):
        return []
    def delete(self, slice_id):
        pass
""" + PLATFORM.replace("self.options = options", "self.machines = Broken()")
OWN = """
    def test_options(self, installed):
        'The test gives another address than the table.'
        made = installed("acme", address="http://127.0.0.1:7").resolver()
        assert made.options.address == "http://127.0.0.1:7"
"""
CLUSTER = """
    def test_cluster(self, registry, installed):
        'Nothing that is made for a test is of a cluster of the user.'
        assert installed("acme").cluster.startswith("kit-")
        assert installed("acme").cluster != installed("acme").cluster
"""
HANGS = """
    def test_hangs(self):
        'It hangs.'
        import time
        time.sleep(60)
"""


def check(site: Site, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(site.root), *sys.path])
    return subprocess.run(
        [sys.executable, "-m", "iris", "plugin", "check", *arguments],
        cwd=site.root,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": path} | env,
        check=False,
    )


def add_resolver(site: Site, answer: str = "()", extra: str = "") -> None:
    source = RESOLVER.format(answer=answer, more=', conformance="acme_conformance"')
    site.add("iris-acme", "1.0", {"acme": source})
    (site.root / "acme_conformance.py").write_text(TESTS.format(extra=extra))


def outcomes(ran: subprocess.CompletedProcess[str]) -> dict[str, str]:
    assert ran.stdout, ran.stderr
    return {row["rule"]: row["outcome"] for row in json.loads(ran.stdout)}


def test_it_tells_what_is_kept_broken_and_not_promised(site: Site) -> None:
    """With the tests that the plugin itself names; a broken rule is exit code 1."""
    add_resolver(site, "[]")
    ran = check(site, "acme", "--json")
    found = outcomes(ran)
    assert ran.returncode == 1
    assert (found["resolver.unknown"], found["resolver.tuple"]) == ("passed", "failed")
    assert found["resolver.changes"] == "not promised"


def test_it_prints_a_table_with_the_reasons(site: Site) -> None:
    add_resolver(site, "(Endpoint(name, self.options.address),) if name == 'calc' else ()")
    ran = check(site, "acme")
    lines = [line.split(maxsplit=3) for line in ran.stdout.splitlines()]
    assert ["RULE", "OUTCOME", "WHY"] in lines
    assert ["resolver.changes", "not", "promised", "it is of a test"] in [
        [part.strip() for part in line] for line in lines
    ]
    assert " passed" in ran.stdout.splitlines()[-1]


def test_the_plugin_has_the_options_of_the_table(site: Site) -> None:
    add_resolver(site, extra=OPTIONS)
    config = site.root / "mine.toml"
    config.write_text('[resolver]\nkind = "acme"\naddress = "http://127.0.0.1:7"\n')
    with_table = check(site, "acme", "--config", str(config), "--table", "resolver", "--json")
    assert outcomes(with_table)["resolver.options"] == "passed"
    assert outcomes(check(site, "acme", "--json"))["resolver.options"] == "failed"


def test_what_the_tests_give_goes_before_the_table(site: Site) -> None:
    """Else a rule that needs a place of its own would meet the user's."""
    add_resolver(site, extra=OWN)
    config = site.root / "mine.toml"
    config.write_text('[resolver]\nkind = "acme"\naddress = "http://127.0.0.1:9"\n')
    ran = check(site, "acme", "--config", str(config), "--table", "resolver", "--json")
    assert outcomes(ran)["resolver.options"] == "passed"


def test_what_is_made_is_of_no_cluster_of_the_users(site: Site) -> None:
    add_resolver(site, extra=CLUSTER)
    assert outcomes(check(site, "acme", "--json"))["resolver.cluster"] == "passed"


def test_a_check_that_is_terminated_ends_its_tests(site: Site) -> None:
    add_resolver(site, extra=HANGS)
    before = process_snapshot()
    command = [sys.executable, "-m", "iris", "plugin", "check", "acme"]
    path = os.pathsep.join([str(site.root), *sys.path])
    running = subprocess.Popen(
        command, cwd=site.root, env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.PIPE
    )
    wait_for_condition(lambda: any("pytest" in one.argv for one in process_snapshot() - before), 20)
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=20)
    assert running.returncode != 0
    assert not leaked_processes(before)


def test_a_platform_without_tests_of_its_own_is_asked_what_can_be_asked(site: Site) -> None:
    site.add("iris-acme", "1.0", {"acme": BROKEN})
    ran = check(site, "acme", "--json")
    found = outcomes(ran)
    assert ran.returncode == 1
    assert {rule.partition(".")[0] for rule in found} == {"machines"}
    assert found["machines.create_twice"] == "failed"
    assert found["machines.delete_twice"] == "failed"
    assert found["machines.delete_unknown"] == "passed"
    assert found["machines.no_capacity"] == "not promised"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nobody"], "no plugin 'nobody' is installed"),
        (
            ["acme"],
            "plugin 'acme' (iris-acme 1.0) names no conformance module, and only one",
        ),
        (["acme", "--config", "x.toml"], "--config alone names no table; add --table"),
        (["acme", "--table", "transport"], "transport.kind is 'http', not 'acme'"),
        (["acme", "--table", "platforms.x"], "there is no table platforms.x; there are transport, resolver"),
    ],
)
def test_what_cannot_be_checked_is_refused_in_one_line(
    site: Site, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    site.add("iris-acme", "1.0", {"acme": RESOLVER.format(answer="()", more="")})
    monkeypatch.chdir(site.root)
    ran = CliRunner().invoke(main, ["plugin", "check", *arguments])
    assert (ran.exit_code, ran.stdout) == (2, "")
    (line,) = ran.stderr.splitlines()
    assert line.startswith(f"iris: {said}")


def test_tests_that_cannot_be_found_are_told(site: Site) -> None:
    ran = check(site, "process", "--tests", "no_such_module")
    assert ran.returncode == 2
    assert "its rules could not be run: ERROR: module or package not found: no_such_module" in ran.stderr


def test_a_wrong_option_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    add_resolver(site)
    (site.root / "iris.toml").write_text('[resolver]\nkind = "acme"\naddress = 7\n')
    monkeypatch.chdir(site.root)
    ran = CliRunner().invoke(main, ["plugin", "check", "acme", "--table", "resolver"])
    assert ran.exit_code == 2
    assert "resolver.address: expected" in ran.stderr


def test_a_rule_that_hangs_is_named(site: Site) -> None:
    add_resolver(site, extra=HANGS)
    ran = check(site, "acme", "--timeout", "6")
    assert ran.returncode == 2
    assert ran.stderr.startswith("iris: plugin 'acme' (iris-acme 1.0): the rules have not ended within 6 s")
    assert ran.stderr.endswith("; last was test_hangs\n")


def test_without_pytest_it_says_what_to_install(site: Site) -> None:
    (site.root / "sitecustomize.py").write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'pytest' else find(name, *a)\n"
    )
    ran = check(site, "process")
    assert ran.stderr == "iris: pytest is not installed; run: pip install 'iris-cluster[testing]'\n"


@pytest.mark.slow
@pytest.mark.timeout(130)
@pytest.mark.parametrize("name", ["local", "process", "http", "fixed", "cluster"])
def test_every_first_party_plugin_keeps_its_rules(site: Site, name: str) -> None:
    ran = check(site, name, "--json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert set(outcomes(ran).values()) <= {"passed", "not promised"}
