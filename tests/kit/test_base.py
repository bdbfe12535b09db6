"""What the conformance classes share, seen through pytest."""

from __future__ import annotations

import json

import pytest

from iris_api.testing.conformance import Conformance, needs, override, rules_of

KIT = """
import pytest
from iris_api.testing.conformance import Conformance, needs, override

class ThingConformance(Conformance):
    kind = "thing"
    abilities = {"fly": "it flies"}

    @pytest.fixture
    def thing(self):
        override("thing")

    def test_stands(self, thing):
        \"\"\"It stands.\"\"\"
        assert thing

    @needs("fly")
    def test_flies(self, thing):
        \"\"\"It flies.\"\"\"
        assert thing == "bird"

class TestMine(ThingConformance):
"""


def test_a_rule_is_a_test_with_its_docstring() -> None:
    class Kit(Conformance):
        kind = "thing"

        def test_stands(self) -> None:
            """It stands,
            for long."""

        @needs("fly")
        def test_flies(self) -> None:
            """It flies."""

    found = [(rule.name, rule.sentence, rule.ability) for rule in rules_of(Kit)]
    assert found == [("thing.stands", "It stands, for long.", ""), ("thing.flies", "It flies.", "fly")]


def run(pytester: pytest.Pytester, body: str, *args: str) -> pytest.RunResult:
    pytester.makepyfile(KIT + body)
    plugin = (
        () if pytester._request.config.pluginmanager.has_plugin("iris") else ("-p", "iris_api.testing.plugin")
    )
    return pytester.runpytest_inprocess("-p", "no:randomly", *plugin, *args)


def test_a_fixture_that_must_be_overridden_says_so(pytester: pytest.Pytester) -> None:
    result = run(pytester, "    pass\n")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*override the fixture 'thing' in your subclass*"])


def test_what_is_not_promised_is_skipped_and_shown(pytester: pytest.Pytester) -> None:
    mine = """
    not_promised = {"fly": "it is a stone"}
    @pytest.fixture
    def thing(self):
        return "stone"
"""
    result = run(pytester, mine)
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*TestMine: 1 of 2 rules kept*", "thing.flies  not promised  it is a stone"])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("not_promised = {'stand': 'it lies'}", "not_promised names stand; abilities of thing: fly"),
        ("not_promised = {'fly': ' '}", "not_promised must say why for fly: users read it"),
        ("not_promised = ['fly']", "not_promised must be a dict of ability and reason, and is a list"),
        ("def thing(self): pass", "thing must be a fixture: write @pytest.fixture above it"),
    ],
)
def test_a_class_that_is_written_wrong_is_refused_once(
    pytester: pytest.Pytester, body: str, said: str
) -> None:
    result = run(pytester, f"    {body}\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*.TestMine: {said}*"])


def test_a_class_that_pytest_does_not_run_is_refused(pytester: pytest.Pytester) -> None:
    result = run(pytester, "    pass\nclass Forgotten(ThingConformance):\n    pass\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*.Forgotten: it is not run: call it Test..., or _... if it is a base*"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--iris-table", "platforms.none"], "--iris-table: there is no table platforms.none; there are"),
        (["--iris-config", "iris.toml"], "--iris-config alone names no table; add --iris-table"),
        (["--iris-config", "none.toml", "--iris-table", "platforms.a"], "none.toml"),
        (["--iris-report", "none/report.json"], "--iris-report: [Errno 2]"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused_in_one_line(
    pytester: pytest.Pytester, options: list[str], said: str
) -> None:
    pytester.makefile(".toml", iris="")
    result = run(pytester, "    pass\n", *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = (line for line in result.stderr.lines if line)
    assert line.startswith("ERROR: ")
    assert said in line


def test_the_report_has_every_rule(pytester: pytest.Pytester) -> None:
    mine = """
    @pytest.fixture
    def thing(self):
        return "stone"
"""
    run(pytester, mine, "--iris-report", "report.json")
    found = {row["rule"]: row["outcome"] for row in json.loads((pytester.path / "report.json").read_text())}
    assert found == {"thing.stands": "passed", "thing.flies": "failed"}


def test_override_fails() -> None:
    with pytest.raises(pytest.fail.Exception, match="override the fixture 'x'"):
        override("x")


def test_a_failure_is_told_in_one_line(pytester: pytest.Pytester) -> None:
    mine = """
    @pytest.fixture
    def thing(self):
        raise LookupError("there is no thing")
"""
    result = run(pytester, mine)
    result.stdout.fnmatch_lines(["thing.stands  failed        *LookupError: there is no thing"])
