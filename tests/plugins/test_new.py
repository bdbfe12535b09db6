"""`iris plugin new` writes a package whose own tests pass, and refuses in one line what it cannot write."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from iris.cli import main
from tests.plugins.site import PLATFORM, Site

KINDS = ("platform", "transport", "resolver")


def new(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["plugin", "new", *arguments])


def installed(package: Path) -> Path:
    """Do what an installer does: a folder with the package's metadata, for the path."""
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    info = package / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    requires = "".join(f"Requires-Dist: {one}\n" for one in project["dependencies"])
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n{requires}"
    )
    points = "".join(f"{name} = {target}\n" for name, target in project["entry-points"]["iris"].items())
    (info / "entry_points.txt").write_text(f"[iris]\n{points}")
    return package


def python(package: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run a module where the package is installed and nothing but the kit's pytest plugin is loaded."""
    path = os.pathsep.join([str(package), *sys.path])
    return subprocess.run(
        [sys.executable, "-m", *argv],
        cwd=package,
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        check=False,
    )


@pytest.mark.slow
@pytest.mark.timeout(330)
@pytest.mark.parametrize("kind", KINDS)
def test_its_own_tests_pass_as_written(kind: str, tmp_path: Path) -> None:
    assert new("demo", "--kind", kind, "--directory", str(tmp_path / "demo")).exit_code == 0
    ran = python(installed(tmp_path / "demo"), "pytest", "-p", "iris_api.testing.plugin", "-q")
    assert ran.returncode == 0, ran.stdout


def test_what_goes_in_a_later_version_does_not_break_its_tests(tmp_path: Path) -> None:
    """It is told, and the first step of the ladder is no more than that; other warnings are errors."""
    assert new("demo", "--kind", "resolver", "--directory", str(tmp_path / "demo")).exit_code == 0
    test = "import warnings\ndef test_{0}():\n    warnings.warn('of the past', {1}, stacklevel=1)\n"
    cases = (("old", "DeprecationWarning"), ("odd", "RuntimeWarning"))
    text = "".join(test.format(*case) for case in cases)
    (tmp_path / "demo" / "tests" / "test_old.py").write_text(text)
    shown = python(tmp_path / "demo", "pytest", "-q", "tests/test_old.py").stdout
    assert "1 failed, 1 passed, 1 warning" in shown


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_writes_is_well_formed(kind: str, tmp_path: Path) -> None:
    """As a stranger's linter sees it, and their type checker."""
    assert new("demo-one", "--kind", kind, "--directory", str(tmp_path / "demo")).exit_code == 0
    for tool in (
        ["ruff", "check", "--isolated", "--line-length=110", "--select=E,F,B,I,UP,RUF"],
        ["mypy", "--strict"],
    ):
        ran = python(tmp_path / "demo", *tool, "iris_demo_one")
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_it_lists_what_it_has_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = new("demo", "--kind", "platform").stdout
    written = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert sorted(line.strip() for line in said.splitlines()[:-1]) == written
    assert "iris-demo/iris_demo/__init__.py" in written


def test_it_asks_for_the_iris_that_wrote_it(tmp_path: Path) -> None:
    new("demo", "--kind", "platform", "--directory", str(tmp_path / "demo"))
    project = tomllib.loads((tmp_path / "demo" / "pyproject.toml").read_text())["project"]
    assert "iris-cluster>=0.1,<0.2" in project["dependencies"]
    assert project["entry-points"]["iris"] == {"demo": "iris_demo"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Demo", "plugin name 'Demo' is not allowed: 1 to 63 lower-case letters"),
        ("a_b", "plugin name 'a_b' is not allowed"),
        ("http", "plugin name 'http' is taken by iris-cluster"),
        ("api", "there is a package iris_api already; choose another plugin name"),
    ],
)
def test_a_name_that_cannot_be_is_refused(name: str, said: str, tmp_path: Path) -> None:
    result = new(name, "--kind", "platform", "--directory", str(tmp_path / "demo"))
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"iris: {said}")
    assert not (tmp_path / "demo").exists()


def test_a_name_that_another_package_has_is_refused(site: Site, tmp_path: Path) -> None:
    site.add("iris-acme", "1.0", {"acme": PLATFORM})
    result = new("acme", "--kind", "platform", "--directory", str(tmp_path / "demo"))
    assert result.stderr == "iris: plugin name 'acme' is taken by iris-acme 1.0; choose another one\n"


def test_a_directory_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "mine").touch()
    result = new("demo", "--kind", "platform", "--directory", str(tmp_path / "demo"))
    assert result.exit_code == 2
    assert (
        result.stderr == f"iris: {tmp_path / 'demo'} is there already; name another place with --directory\n"
    )
    assert [path.name for path in (tmp_path / "demo").iterdir()] == ["mine"]


def test_a_directory_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = new("demo", "--kind", "platform", "--directory", str(tmp_path / "file" / "demo"))
    assert result.exit_code == 2
    assert "cannot be written: Not a directory" in result.stderr


@pytest.mark.parametrize("command", ["new", "check"])
def test_help_has_an_example(command: str) -> None:
    shown = CliRunner().invoke(main, ["plugin", command, "--help"]).stdout
    assert f"Example: iris plugin {command}" in shown
