"""The rules of the kit, run on an installed plugin in a process of their own."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
from attrs import asdict, frozen

from iris_api.errors import ConfigError, IrisError, MissingDependency, PluginError
from iris_api.platform import Platform
from iris_api.plugins import Kind, LoadedPlugin, Plugins

__all__ = ["Check", "Finding", "show"]

_GENERIC: Final = "iris_api.testing.conformance.installed"
_STYLES: Final = {"passed": "green", "failed": "red", "not promised": "yellow", "skipped": "yellow"}


class CheckFailed(IrisError):
    """The rules could not be run to their end."""


@frozen
class Finding:
    """What became of a rule: passed, failed, not promised or skipped, and why."""

    rule: str
    outcome: str
    reason: str


@frozen
class Check:
    """The modules with the tests of a plugin, and the options that it is made with."""

    plugin: LoadedPlugin
    modules: tuple[str, ...]
    config: Path | None = None
    table: str = ""

    @classmethod
    def of(cls, name: str, config: Path | None, table: str | None, tests: str | None) -> Check:
        """Raises PluginError or ConfigError for what cannot be checked."""
        if importlib.util.find_spec("pytest") is None:
            raise MissingDependency("pytest", extra="testing")
        plugin = Plugins().load(name)
        if config is not None and table is None:
            raise ConfigError(["--config alone names no table; add --table, such as --table platforms.mine"])
        options: Mapping[str, Any] = {}
        if table is not None:
            config, options = _table_of(plugin, config, table)
        modules = (tests,) if tests else _modules(plugin, options)
        return cls(plugin, modules, config, table or "")

    def run(self, timeout: float) -> Sequence[Finding]:
        """Raises CheckFailed where the rules did not run to their end."""
        with tempfile.TemporaryDirectory(prefix="iris-check-") as scratch:
            report, output = Path(scratch, "report.json"), Path(scratch, "output")
            with output.open("w+") as writer:
                try:
                    status = subprocess.run(
                        self._argv(scratch, report),
                        stdout=writer,
                        stderr=subprocess.STDOUT,
                        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""},
                        timeout=timeout,
                        check=False,
                    ).returncode
                except subprocess.TimeoutExpired:
                    raise CheckFailed(_hung(self.plugin, output.read_text(), timeout)) from None
            rows = json.loads(report.read_text()) if report.exists() else []
            if status not in (0, 1) or not rows:
                raise CheckFailed(_broken(self.plugin, output.read_text()))
        return [Finding(row["rule"], row["outcome"], row["reason"]) for row in rows]

    def _argv(self, scratch: str, report: Path) -> list[str]:
        options = ["--iris-plugin", self.plugin.name, "--iris-report", str(report)]
        if self.table:
            options += ["--iris-table", self.table]
            options += ["--iris-config", str(self.config)] if self.config else []
        return [
            *(sys.executable, "-m", "pytest", "-p", "iris_api.testing.plugin", "-v", "--tb=short"),
            *("-c", os.devnull, "--rootdir", scratch, "-p", "no:cacheprovider", "--pyargs"),
            *options,
            *self.modules,
        ]


def show(name: str, found: Sequence[Finding], as_json: bool) -> None:
    """Print a table of the rules, or JSON."""
    from rich.markup import escape

    from iris.cli._tables import show_table

    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=2))
        return
    rows = [
        (one.rule, f"[{_STYLES.get(one.outcome, 'white')}]{one.outcome}[/]", escape(one.reason))
        for one in found
    ]
    show_table(("RULE", "OUTCOME", "WHY"), rows, "no rules")
    counts = {outcome: sum(one.outcome == outcome for one in found) for outcome in _STYLES}
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    click.echo(f"{name}: {told} of {len(found)} rules")


def _table_of(plugin: LoadedPlugin, config: Path | None, table: str) -> tuple[Path | None, Mapping[str, Any]]:
    """The file that has the table, and the plugin's options in it, which are valid."""
    from iris_api.config import load_config, structure_table

    loaded = load_config(config)
    tables = loaded.plugin_tables()
    if table not in tables:
        raise ConfigError([f"there is no table {table}; there are {', '.join(tables)}"], loaded.source_text)
    found = tables[table]
    if found.kind != plugin.name:
        raise ConfigError([f"{table}.kind is {found.kind!r}, not {plugin.name!r}"], loaded.source_text)
    kind: Any = table.partition(".")[0].removesuffix("s")
    structure_table(plugin.provider(kind).config, found.options, table)
    return loaded.source, found.options


def _modules(plugin: LoadedPlugin, options: Mapping[str, Any]) -> tuple[str, ...]:
    """By kind, the module that the plugin names, else those classes of the generic one that suit it."""
    modules: list[str] = []
    for kind in plugin.offers:
        named = plugin.provider(kind).conformance
        if named and importlib.util.find_spec(named) is None:
            raise PluginError(f"plugin {plugin.info}: its conformance module {named} is not installed")
        if not named and kind == "resolver":
            raise PluginError(
                f"plugin {plugin.info} names no conformance module, and only one of its own can say how "
                "names are registered; give --tests MODULE (see docs/plugins/test-a-plugin.md)"
            )
        modules += [named] if named else _generic(plugin, kind, options)
    return tuple(dict.fromkeys(modules))


def _generic(plugin: LoadedPlugin, kind: Kind, options: Mapping[str, Any]) -> list[str]:
    from iris_api.config import Selected, structure_table
    from iris_api.context import Context

    if kind == "transport":
        return [f"{_GENERIC}::TestTransport"]
    config = structure_table(plugin.provider(kind).config, options, kind)
    platform: Platform = Selected(plugin, kind, config).create(Context())
    try:
        parts = {"TestMachines": platform.machines, "TestRuntime": platform.runtime}
        return [f"{_GENERIC}::{name}" for name, part in parts.items() if part is not None]
    finally:
        platform.close()


def _hung(plugin: LoadedPlugin, output: str, timeout: float) -> str:
    """The test that was under way is on the last line that names one."""
    lines = [line for line in output.splitlines() if "::" in line]
    where = lines[-1].split()[0].rpartition("::")[2] if lines else "the start"
    return f"plugin {plugin.info}: the rules have not ended within {timeout:g} s; last was {where}"


def _broken(plugin: LoadedPlugin, output: str) -> str:
    said = [line for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("E ").strip() for line in said if line.startswith(("E ", "ERROR"))]
    why = errors[0] if errors else (said or ["pytest said nothing"])[-1]
    return f"plugin {plugin.info}: its rules could not be run: {why}"
