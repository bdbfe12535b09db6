"""The pytest plugin of the kit: the leak fixtures, and a table of what each plugin under test promises.

pytest finds it by its entry point ``iris``. ``--iris-rules`` shows every rule, not only those that failed or
are not promised; ``--iris-report FILE`` writes them as JSON. ``--iris-config FILE --iris-table PATH`` name
the options with which the fixture `installed` makes the plugin.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from iris_api.testing.fixtures import no_leaks, thread_registry
from iris_api.testing.installed import installed, table_given

__all__ = [
    "installed",
    "no_leaks",
    "pytest_addoption",
    "pytest_configure",
    "pytest_pycollect_makeitem",
    "thread_registry",
]

pytest.register_assert_rewrite("iris_api.testing.conformance")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("iris", "conformance of Iris plugins")
    group.addoption("--iris-rules", action="store_true", help="show every rule of the conformance kit")
    group.addoption("--iris-plugin", metavar="NAME", help="the plugin that the generic tests are about")
    group.addoption("--iris-config", metavar="FILE", help="iris.toml with the table of the plugin under test")
    group.addoption("--iris-table", metavar="PATH", help="that table, such as platforms.mine")
    group.addoption("--iris-report", metavar="FILE", help="write each rule's outcome there as JSON")


def pytest_configure(config: pytest.Config) -> None:
    from iris_api.testing.outcomes import Outcomes

    table_given(config)
    _report_can_be_written(config.getoption("--iris-report"))
    config.pluginmanager.register(Outcomes(config), "iris-outcomes")


def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: object) -> None:
    """Refuses a class of the kit that would not test what its author means."""
    from iris_api.testing.conformance.base import Conformance, fault_of

    module = getattr(collector, "obj", None)
    if not (isinstance(obj, type) and issubclass(obj, Conformance)):
        return
    collected = isinstance(collector, pytest.Module) and collector.classnamefilter(name)
    own = obj.__module__ == getattr(module, "__name__", "")
    fault = fault_of(obj, collected=collected) if collected or own else ""
    if fault:
        raise collector.CollectError(f"{obj.__module__}.{name}: {fault}")


def _report_can_be_written(target: str | None) -> None:
    try:
        if target:
            Path(target).touch()
    except OSError as error:
        raise pytest.UsageError(f"--iris-report: {error}") from None
