"""`iris plugin check`: the rules of the kit on an installed plugin, with a table of iris.toml."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from iris_api.plugins import Plugins
from iris_api.testing import leaked_processes, process_snapshot, wait_for_condition
from tests.plugins.checks import HANGS, add_resolver, check, outcomes
from tests.plugins.site import PLATFORM, Site
from tests.rigs.apart import ROOT
from tools.plugin_docs import first_party

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
ELSEWHERE = {"docker": "tests/docker/test_kit.py"}  # what needs more of a machine, and where it is tested
PICKY = BROKEN.replace("pass", "assert self.size == 5", 1).replace(
    "self.machines = Broken()", "self.machines = Broken(); self.machines.size = options.size"
)
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


def test_a_platform_has_the_options_of_its_table(site: Site) -> None:
    """Also one without tests of its own."""
    site.add("iris-acme", "1.0", {"acme": PICKY})
    config = site.root / "mine.toml"
    config.write_text('[platforms.mine]\nkind = "acme"\nsize = 5\n')
    with_table = check(site, "acme", "--config", str(config), "--table", "platforms.mine", "--json")
    assert outcomes(with_table)["machines.delete_unknown"] == "passed"
    assert outcomes(check(site, "acme", "--json"))["machines.delete_unknown"] == "failed"


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
    wait_for_condition(
        lambda: any("iris.cli._plugin_subject" in one.argv for one in process_snapshot() - before), 20
    )
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


def test_without_pytest_it_says_what_to_install(site: Site) -> None:
    (site.root / "sitecustomize.py").write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'pytest' else find(name, *a)\n"
    )
    ran = check(site, "process")
    assert ran.stderr == "iris: pytest is not installed; run: pip install 'iris-cluster[testing]'\n"


@pytest.mark.slow
@pytest.mark.timeout(130)
@pytest.mark.parametrize("name", [name for name in first_party() if name not in ELSEWHERE])
def test_every_first_party_plugin_keeps_its_rules(site: Site, name: str) -> None:
    ran = check(site, name, "--json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert set(outcomes(ran).values()) <= {"passed", "not promised"}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_is_tested_elsewhere_runs_the_rules_there(name: str) -> None:
    """With the classes that it names itself."""
    (kind,) = (plugin := Plugins().load(name)).offers
    package, _, module = plugin.provider(kind).conformance.rpartition(".")
    tests = (ROOT / ELSEWHERE[name]).read_text()
    assert f"from {package} import {module}" in tests
    assert f"({module}.Test" in tests
