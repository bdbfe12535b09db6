"""`iris config check` and `iris config show`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from iris.cli import main
from iris_api.config import load_config
from tests.config.test_select import TRANSPORT
from tests.plugins.site import PLATFORM, Site

GOOD = """
pools.x = { platform = "mine", max = 3, resources = { cpu = 2, memory = "1GB" }, template = { a = [1] } }
platforms.mine = { kind = "acme" }
platforms.spare = { kind = "never", zone = "z" }
transport.kind = "wire"
resolver.kind = "names"
"""


@pytest.fixture(autouse=True)
def folder(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a good iris.toml whose plugins are installed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IRIS_CONFIG", raising=False)
    wire = TRANSPORT.format(kind="transport", Kind="Transport", made="None")
    names = TRANSPORT.format(kind="resolver", Kind="Resolver", made="None")
    site.add("iris-acme", "2.3.0", {"acme": PLATFORM, "wire": wire, "names": names})
    (tmp_path / "iris.toml").write_text(GOOD)
    return tmp_path


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["config", *arguments])


def test_check_says_ok_and_which_file(folder: Path) -> None:
    result = _run("check")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, f"ok: {folder / 'iris.toml'}")


def test_check_says_what_is_selected() -> None:
    output = _run("check").stdout
    assert "pool x: 1 to 3 slices, platform 'acme' (iris-acme 2.3.0)" in output
    assert "transport 'wire' (iris-acme 2.3.0)" in output


def test_check_says_which_tables_no_pool_names() -> None:
    assert "platforms.spare is named by no pool, so it was not checked" in _run("check").stdout


def test_check_prints_every_problem_on_a_line_and_exits_2(folder: Path) -> None:
    text = GOOD.replace('"acme" }', '"acme", size = "y" }')
    (folder / "bad.toml").write_text(text + "clustr = 1\ncontroller.listen = 'x'\n")
    result = _run("check", "--config", "bad.toml")
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert [line.split(": ")[2] for line in lines] == ["clustr", "controller.listen", "platforms.mine.size"]
    assert "Traceback" not in result.output


def test_check_of_a_file_that_does_not_exist_exits_2() -> None:
    result = _run("check", "--config", "nope.toml")
    assert result.exit_code == 2
    assert result.stderr.rstrip().endswith("nope.toml: no such file")


def test_show_prints_toml_that_means_the_same(folder: Path) -> None:
    result = _run("show")
    assert result.exit_code == 0
    (folder / "shown.toml").write_text(result.stdout)
    shown, original = load_config("shown.toml"), load_config("iris.toml")
    assert (shown.cluster, shown.controller) == (original.cluster, original.controller)
    assert shown.pools["x"].template == original.pools["x"].template
    assert shown.pools["x"].resources == original.pools["x"].resources


def test_show_is_stable(folder: Path) -> None:
    first = _run("show").stdout
    (folder / "shown.toml").write_text(first)
    assert _run("show", "--config", "shown.toml").stdout == first


def test_show_fills_in_the_defaults_of_the_core_and_of_plugins() -> None:
    tables = json.loads(_run("show", "--json").stdout)
    assert tables["controller"]["listen"] == "127.0.0.1:10000"
    assert tables["platforms"]["mine"] == {"kind": "acme", "size": 3}
    assert tables["pools"]["x"]["runtime"] == "mine"


def test_show_keeps_tables_that_no_pool_names() -> None:
    assert json.loads(_run("show", "--json").stdout)["platforms"]["spare"] == {"kind": "never", "zone": "z"}


def test_show_hides_what_does_not_show_in_a_repr(site: Site, folder: Path) -> None:
    hidden = PLATFORM.replace("size: int = 3", "size: str = field(default='hush', repr=False)")
    site.add("iris-sly", "1", {"sly": hidden.replace("import frozen", "import field, frozen")})
    (folder / "iris.toml").write_text(GOOD.replace('"acme"', '"sly"'))
    assert "hush" not in _run("show").stdout


def test_show_of_a_wrong_file_exits_2(folder: Path) -> None:
    (folder / "iris.toml").write_text("x = \n")
    result = _run("show")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "not valid TOML: Invalid value (at line 1, column 5)" in result.stderr


@pytest.mark.parametrize("command", [[], ["check"], ["show"]])
def test_help_has_an_example(command: list[str]) -> None:
    assert "Example: iris config" in _run(*command, "--help").stdout
