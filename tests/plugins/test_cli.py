"""`iris plugins`: what is installed, what the configuration selects, and with --check what works."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from iris.cli import main
from tests.plugins.site import PLATFORM, Site


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration but the test's own is found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IRIS_CONFIG", raising=False)


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["plugins", *arguments])


def _line(result: Result, name: str) -> list[str]:
    return next(line.split() for line in result.stdout.splitlines() if name in line.split())


def test_it_lists_name_package_and_version(site: Site) -> None:
    site.add("iris-acme", "2.3.0", {"acme": PLATFORM})
    result = _run()
    assert result.exit_code == 0
    assert _line(result, "acme") == ["acme", "iris-acme", "2.3.0"]


def test_it_imports_nothing(site: Site) -> None:
    site.add("iris-acme", "2.3.0", {"acme": "raise RuntimeError"})
    assert _run().exit_code == 0
    assert "iris_acme_acme" not in sys.modules


def test_it_marks_what_the_configuration_selects(site: Site, tmp_path: Path) -> None:
    site.add("iris-acme", "2.3.0", {"acme": PLATFORM})
    (tmp_path / "iris.toml").write_text(
        '[pools.x]\nplatform = "mine"\nruntime = "process"\n[platforms.mine]\nkind = "acme"\n'
    )
    result = _run()
    assert _line(result, "acme")[0] == "*"
    assert _line(result, "local")[0] == "local"


def test_a_wrong_configuration_is_told_and_the_list_still_shown(tmp_path: Path) -> None:
    (tmp_path / "iris.toml").write_text("x = 1\n")
    result = _run()
    assert result.exit_code == 0
    assert "x: unknown key" in result.stderr
    assert _line(result, "local")[0] == "local"


def test_unreadable_metadata_is_told_and_the_list_still_shown(site: Site) -> None:
    site.add_metadata("iris-broken", "1", "[iris]\nnonsense\n")
    result = _run()
    assert result.exit_code == 0
    assert "metadata that cannot be read" in result.stderr
    assert _line(result, "local")


def test_names_are_shown_as_they_are(site: Site) -> None:
    site.add_metadata("iris-acme", "1.0", "[iris]\na[red]b = nothing\n")
    assert _line(_run(), "a[red]b") == ["a[red]b", "iris-acme", "1.0"]


def test_json_has_a_row_for_each(site: Site) -> None:
    site.add("iris-acme", "2.3.0", {"acme": PLATFORM})
    rows = json.loads(_run("--json").stdout)
    row = next(row for row in rows if row["name"] == "acme")
    assert row == {"name": "acme", "package": "iris-acme", "version": "2.3.0", "selected": False}


def test_check_shows_what_is_offered_and_the_options(site: Site) -> None:
    site.add("iris-acme", "2.3.0", {"acme": PLATFORM})
    result = _run("--check")
    assert "platform: a platform of a test" in result.stdout
    assert "size: int = 3" in result.stdout


def test_check_says_why_a_plugin_is_broken_and_exits_1(site: Site) -> None:
    site.add("iris-acme", "2.3.0", {"acme": "import no_such_sdk"})
    result = _run("--check")
    assert result.exit_code == 1
    assert "plugin 'acme' from iris-acme 2.3.0 did not load: ModuleNotFoundError" in result.stdout


def test_check_calls_both_plugins_of_one_name_broken(site: Site) -> None:
    site.add("iris-acme", "1.0", {"acme": PLATFORM})
    site.add("iris-rival", "2.0", {"acme": PLATFORM})
    rows = json.loads(_run("--check", "--json").stdout)
    reasons = [row["reason"] for row in rows if row["name"] == "acme"]
    assert reasons == ["plugin name 'acme' is claimed by iris-acme 1.0 and iris-rival 2.0; uninstall one"] * 2


def test_check_json_has_the_options_with_types_and_defaults(site: Site) -> None:
    site.add("iris-acme", "1.0", {"acme": PLATFORM})
    row = next(row for row in json.loads(_run("--check", "--json").stdout) if row["name"] == "acme")
    assert row["status"] == "ok"
    assert row["offers"]["platform"]["config"] == [
        {"name": "size", "type": "int", "required": False, "default": 3}
    ]


def test_check_hides_defaults_that_do_not_show_in_a_repr(site: Site) -> None:
    hidden = PLATFORM.replace("size: int = 3", "size: str = field(default='hush', repr=False)")
    site.add("iris-acme", "1.0", {"acme": hidden.replace("import frozen", "import field, frozen")})
    assert "hush" not in _run("--check").stdout


def test_every_first_party_plugin_passes_the_check() -> None:
    result = _run("--check")
    assert result.exit_code == 0, result.output


def test_help_has_an_example() -> None:
    assert "Example: iris plugins --check" in _run("--help").stdout
