"""The process in which an installed plugin is loaded and its rules are run: nothing that it does there, not
even the end of its interpreter, harms who asked. It tells how far it is in a file, a line of JSON each."""

from __future__ import annotations

import faulthandler
import importlib.util
import json
import os
import signal
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

import pytest
from attrs import frozen

from iris.cli._plugin_events import cause
from iris_api.errors import ConfigError, IrisError, PluginError
from iris_api.platform import Platform
from iris_api.plugins import Kind, LoadedPlugin, Plugins, blamed_text
from iris_api.testing.installed import MADE
from iris_api.testing.outcomes import Outcomes, rule_of

_GENERIC: Final = "iris_api.testing.conformance.installed"


@frozen
class Subject:
    """What is to be checked, as the command line says it."""

    name: str
    label: str  # with package and version
    config: str | None = None
    table: str | None = None
    tests: str | None = None


class Teller:
    """Writes what happens; whoever reads sees whole lines."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def __call__(self, **event: Any) -> None:
        self._file.write(json.dumps(event) + "\n")
        self._file.flush()


class Progress:
    """What pytest does, told as it goes."""

    def __init__(self, tell: Teller, subject: Subject) -> None:
        self._tell = tell
        self._subject = subject
        self._rules: dict[str, str] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._rules = {item.nodeid: rule_of(item) for item in session.items}
        self._tell(rules=list(dict.fromkeys(filter(None, self._rules.values()))))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            why = cause(str(report.longrepr))
            self._tell(failed=f"plugin {self._subject.label}: its rules could not be run: {why}")

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._tell(at=f"the rule {self._rules.get(nodeid) or nodeid}", rule=self._rules.get(nodeid))

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """A plugin that cannot be made at all breaks no rule: there is nothing to be asked."""
        report = yield
        error = call.excinfo.value if call.excinfo is not None else None
        if isinstance(error, Exception) and not _made(item.config) and _of_making(error):
            self._tell(failed=_told(error, self._subject))
            item.session.shouldstop = "the plugin cannot be made"
        return report

    def pytest_runtest_logfinish(self) -> None:
        outcomes = self._config.pluginmanager.get_plugin("iris-outcomes")
        assert isinstance(outcomes, Outcomes)
        self._tell(found=outcomes.rows(), at="the time between two rules", rule=None)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        if isinstance(excinfo.value, pytest.Session.Interrupted):
            return  # pytest's own, after what has been told already
        crash = excinfo.traceback[-1]
        self._tell(
            interrupted=f"{excinfo.typename} in {crash.path}, line {crash.lineno + 1}, in {crash.name}"
        )

    def pytest_configure(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._tell(made=sorted(_made(session.config)), at="the end of the tests")


def run(subject: Subject, events: Path, stacks: Path) -> None:
    """Never returns: a thread that the plugin has left behind does not matter."""
    with events.open("a") as file, stacks.open("w") as traces:
        faulthandler.register(signal.SIGUSR1, traces, all_threads=False)
        tell = Teller(file)
        status = _run(subject, tell)
        tell(ended=status)
        sys.stdout.flush()
    os._exit(0)


def _run(subject: Subject, tell: Teller) -> int:
    try:
        tell(at="its import")
        plugin = Plugins().load(subject.name)
        tell(at="its options")
        file, options = _table(plugin, subject)
        tell(at="its create()")
        modules = (subject.tests,) if subject.tests else _modules(plugin, options)
    except IrisError as error:
        wants_table = isinstance(error, ConfigError) and subject.table is None
        tell(failed=_told(error, subject) if wants_table else str(error))
        return 2
    except Exception as error:
        tell(failed=_told(error, subject))
        return 2
    tell(at="the import of its tests")
    with tempfile.TemporaryDirectory(prefix="iris-check-") as scratch:
        argv = _argv(scratch, subject, file, modules)
        return int(pytest.main(argv, plugins=[Progress(tell, subject)]))


def _argv(scratch: str, subject: Subject, file: Path | None, modules: Sequence[str]) -> list[str]:
    options = ["--iris-plugin", subject.name]
    if subject.table:
        options += ["--iris-table", subject.table]
        options += ["--iris-config", str(file)] if file else []
    return [
        *("-p", "iris_api.testing.plugin", "--tb=short", "-c", os.devnull, "--rootdir", scratch),
        *("--basetemp", str(Path(scratch, "basetemp")), "-p", "no:cacheprovider", "--pyargs"),
        *options,
        *modules,
    ]


def _made(config: pytest.Config) -> set[str]:
    return config.stash.setdefault(MADE, set())


def _of_making(error: Exception) -> bool:
    return isinstance(error, ConfigError | PluginError) or " in create()" in blamed_text(error)


def _told(error: Exception, subject: Subject) -> str:
    text = " ".join(blamed_text(error).split())
    whose = "" if subject.label in text else f"plugin {subject.label}: "
    hint = "" if subject.table or not isinstance(error, ConfigError) else "; give its table with --table"
    return whose + text + hint


def _table(plugin: LoadedPlugin, subject: Subject) -> tuple[Path | None, Mapping[str, Any]]:
    """The file that has the table, and the plugin's options in it, which are valid."""
    from iris_api.config import load_config, structure_table

    if subject.table is None:
        return None, {}
    loaded = load_config(subject.config)
    tables = loaded.plugin_tables()
    if subject.table not in tables:
        known = ", ".join(tables)
        raise ConfigError([f"there is no table {subject.table}; there are {known}"], loaded.source_text)
    found = tables[subject.table]
    if found.kind != plugin.name:
        raise ConfigError(
            [f"{subject.table}.kind is {found.kind!r}, not {plugin.name!r}"], loaded.source_text
        )
    kind: Any = subject.table.partition(".")[0].removesuffix("s")
    structure_table(plugin.provider(kind).config, found.options, subject.table)
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
    made: Selected[Platform] = Selected(plugin, kind, config)
    platform = made.create(Context())
    parts = {"TestMachines": platform.machines, "TestRuntime": platform.runtime}
    made.close(platform)
    return [f"{_GENERIC}::{name}" for name, part in parts.items() if part is not None]


if __name__ == "__main__":
    run(Subject(**json.loads(sys.argv[1])), Path(sys.argv[2]), Path(sys.argv[3]))
