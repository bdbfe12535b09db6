"""`iris plugin check` on plugins that fail: one clear line, or a row of the rule that it happened in."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from iris_api.testing import leaked_processes, process_snapshot
from tests.plugins.checks import HANGS, RESOLVER, add_resolver, check, outcomes
from tests.plugins.site import PLATFORM, Site

MACHINES = """
import os
import time
from iris_api.platform import Machines

class Bad(Machines):
    def create(self, request):
        {create}
    def list(self):
        return []
    def delete(self, slice_id):
        pass
""" + PLATFORM.replace("self.options = options", "self.machines = Bad()").replace("{", "{{").replace(
    "}", "}}"
)
MINE = """
from iris_api.testing import MachinesConformance
import pytest

class TestMine(MachinesConformance):
    not_promised = dict.fromkeys(["no_capacity", "denied", "failure", "little_room"], "it is of a test")
    @pytest.fixture
    def make_machines(self, installed):
        return lambda cluster: installed("{name}").machines(cluster=cluster)
"""


def add_platform(site: Site, source: str, tests: str = MINE.format(name="acme")) -> None:
    named = '"a platform of a test", conformance="acme_conformance"'
    site.add("iris-acme", "1.0", {"acme": source.replace('"a platform of a test"', named)})
    (site.root / "acme_conformance.py").write_text(tests)


def refusal(site: Site, *arguments: str, env: Mapping[str, str] | None = None) -> str:
    """The one line with which the check of acme is refused."""
    ran = check(site, *(arguments or ("acme",)), env=env)
    assert (ran.returncode, ran.stdout) == (2, ""), ran.stdout + ran.stderr
    (line,) = ran.stderr.splitlines()
    assert line.startswith("iris: ")
    return line.removeprefix("iris: ")


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
        (
            ["acme", "--tests", "no_such_module"],
            "plugin 'acme' (iris-acme 1.0): its rules could not be run: "
            "ERROR: module or package not found: no_such_module",
        ),
    ],
)
def test_what_cannot_be_checked_is_refused_in_one_line(site: Site, arguments: list[str], said: str) -> None:
    site.add("iris-acme", "1.0", {"acme": RESOLVER.format(answer="()", more="")})
    assert refusal(site, *arguments).startswith(said)


def test_a_wrong_option_is_refused(site: Site) -> None:
    add_resolver(site)
    (site.root / "iris.toml").write_text('[resolver]\nkind = "acme"\naddress = 7\n')
    assert "resolver.address: expected" in refusal(site, "acme", "--table", "resolver")


@pytest.mark.parametrize(
    ("making", "said"),
    [
        (
            "raise OSError('no')",
            "no (raised by iris plugin 'acme' (iris-acme 1.0) in create())",
        ),
        ("return 7", "plugin 'acme' (iris-acme 1.0): create() must return a Platform, and returned int"),
        (
            "import time; time.sleep(60)",
            "plugin 'acme' (iris-acme 1.0) hangs in create(): it has not returned",
        ),
    ],
)
def test_a_plugin_that_cannot_be_made_is_refused_in_one_line(site: Site, making: str, said: str) -> None:
    source = PLATFORM.replace("Provider(Options, Made", "Provider(Options, make")
    add_platform(site, f"{source}\ndef make(options, context):\n    {making}\n")
    assert refusal(site, env={"IRIS_PLUGIN_TIMEOUT": "2"}).startswith(said)


def test_an_option_without_default_wants_a_table(site: Site) -> None:
    add_platform(site, PLATFORM.replace("size: int = 3", "size: int"))
    line = refusal(site)
    assert line.startswith("plugin 'acme' (iris-acme 1.0): ")
    assert "size" in line
    assert line.endswith("; give its table with --table")


def test_an_import_that_ends_the_interpreter_is_told(site: Site) -> None:
    add_platform(site, "import os\nos._exit(0)\n" + PLATFORM)
    assert (
        refusal(site) == "plugin 'acme' (iris-acme 1.0) ended the interpreter (exit status 0) in its import"
    )


@pytest.mark.parametrize(
    ("death", "said"),
    [
        ("os._exit(0)", "ended the interpreter (exit status 0)"),
        ("os.kill(os.getpid(), 11)", "ended the interpreter (SIGSEGV)"),
        ("raise KeyboardInterrupt", "interrupted its tests: KeyboardInterrupt in "),
    ],
)
def test_a_method_that_ends_the_interpreter_fails_its_rule(site: Site, death: str, said: str) -> None:
    add_platform(site, MACHINES.format(create=death))
    ran = check(site, "acme", "--json")
    rows = {row["rule"]: row for row in json.loads(ran.stdout)}
    assert ran.returncode == 1
    (failed,) = (row for row in rows.values() if row["outcome"] == "failed")
    assert failed["reason"].startswith(said)
    assert rows["machines.delete_twice"]["outcome"] == "not run"


def test_a_rule_that_hangs_is_named_with_its_place(site: Site) -> None:
    """What was found before is kept, what would have come is told."""
    before = process_snapshot()
    add_resolver(site, extra=HANGS)
    ran = check(site, "acme", "--json", "--timeout", "8")
    rows = {row["rule"]: row for row in json.loads(ran.stdout)}
    assert ran.returncode == 1
    assert rows["resolver.hangs"]["outcome"] == "failed"
    assert rows["resolver.hangs"]["reason"].startswith("has not ended within the 8 s of --timeout, last seen")
    assert "acme_conformance.py, line" in rows["resolver.hangs"]["reason"]
    assert rows["resolver.unknown"]["outcome"] == "passed"
    assert not leaked_processes(before)


def test_a_rule_gets_as_long_as_a_plugin_may_take(site: Site) -> None:
    add_resolver(site, extra=HANGS)
    ran = check(site, "acme", "--json", env={"IRIS_PLUGIN_TIMEOUT": "0.5"})
    reason = {row["rule"]: row["reason"] for row in json.loads(ran.stdout)}["resolver.hangs"]
    assert reason.startswith("has not returned for 1")


def test_tests_whose_import_hangs_are_named(site: Site) -> None:
    add_platform(site, PLATFORM, "import time\ntime.sleep(60)\n")
    line = refusal(site, "acme", "--timeout", "5")
    assert line.startswith(
        "plugin 'acme' (iris-acme 1.0) has not ended within the 5 s of --timeout, last seen"
    )
    assert line.endswith("in the import of its tests")


def test_tests_of_another_plugin_do_not_pass_as_its_own(site: Site) -> None:
    add_platform(site, MACHINES.format(create="pass"), MINE.format(name="local"))
    line = refusal(site)
    assert line.startswith("plugin 'acme' (iris-acme 1.0): these are the tests of local: they have made no")
    assert "write installed('acme') in them" in line


def test_tests_without_a_rule_are_told(site: Site) -> None:
    add_platform(site, PLATFORM, "def test_one():\n    pass\n")
    assert "its tests have no rule of the kit; a class of them is called Test..." in refusal(site)


def test_a_class_that_is_written_wrong_is_told_once(site: Site) -> None:
    add_platform(site, PLATFORM, MINE.format(name="acme").replace("TestMine", "Mine"))
    assert "acme_conformance.Mine: it is not run: call it Test..." in refusal(site)


def test_a_thread_of_the_plugin_does_not_keep_the_check_from_ending(site: Site) -> None:
    lives_on = "import threading, time\nthreading.Thread(target=time.sleep, args=(300,)).start()\n"
    add_resolver(site)
    path = site.root / "iris_acme_acme.py"
    path.write_text(lives_on + path.read_text())
    assert outcomes(check(site, "acme", "--json"))["resolver.unknown"] == "passed"


def test_what_a_plugin_prints_does_not_spoil_json(site: Site) -> None:
    add_resolver(site)
    path = site.root / "iris_acme_acme.py"
    path.write_text("print('hello')\n" + path.read_text())
    assert outcomes(check(site, "acme", "--json"))["resolver.unknown"] == "passed"


def test_modules_of_the_directory_at_hand_are_not_imported(site: Site) -> None:
    """As a file of the user's that is called like one of Python's own."""
    add_resolver(site)
    elsewhere = site.root / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "random.py").write_text("raise RuntimeError('not mine')\n")
    assert outcomes(check(site, "acme", "--json", cwd=elsewhere))["resolver.unknown"] == "passed"


@pytest.mark.parametrize("seconds", ["-1", "nan", "abc", "0", "1e9"])
def test_a_plugin_timeout_that_is_none_is_refused(site: Site, seconds: str) -> None:
    assert refusal(site, "fixed", env={"IRIS_PLUGIN_TIMEOUT": seconds}) == (
        f"IRIS_PLUGIN_TIMEOUT is '{seconds}'; it must be seconds, above 0 and at most 86400"
    )
