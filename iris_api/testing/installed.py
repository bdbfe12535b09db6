"""The plugin under test as an installation has it: found by its name, made with the options of a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from iris_api.config import Selected, load_config, structure_table
from iris_api.context import Context, WorkerSpec
from iris_api.plugins import Kind, Plugins

__all__ = ["IdleWorker", "Installed", "installed"]


class IdleWorker:
    """What the context's `run_worker` starts: it does nothing until it is stopped."""

    def __init__(self, spec: WorkerSpec) -> None:
        self.spec = spec
        self._stopped = False

    def is_alive(self) -> bool:
        return not self._stopped

    def stop(self) -> None:
        self._stopped = True


@define
class Installed:
    """An installed plugin, its kind and its table. It can be pickled: another process makes the same."""

    name: str
    table: Mapping[str, Any] = field(factory=dict)
    kind: Kind | None = None
    directory: Path | None = None
    _made: list[Any] = field(factory=list, eq=False, repr=False)

    def create(self, **context: Any) -> Any:
        """Make the plugin's object, as Iris does; `context` are fields of Context. The fixture closes it."""
        plugin = Plugins().load(self.name)
        kind = self.kind or plugin.offers[0]
        options = structure_table(plugin.provider(kind).config, self.table, "")
        made = Selected(plugin, kind, options).create(self._context(context))
        self._made.append(made)
        return made

    def close(self) -> None:
        """Close what was made, the newest first."""
        while self._made:
            getattr(self._made.pop(), "close", lambda: None)()

    def _context(self, given: Mapping[str, Any]) -> Context:
        """With a directory of the cluster's own, and workers that do nothing."""
        cluster = given.get("cluster", "default")
        directory = self.directory / cluster if self.directory is not None else None
        return Context(**{"run_worker": IdleWorker, "directory": directory, **given})

    def __getstate__(self) -> tuple[Any, ...]:
        return self.name, self.table, self.kind, self.directory

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.name, self.table, self.kind, self.directory = state
        self._made = []


@pytest.fixture
def installed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Installed]]:
    """``installed(name, *, kind=None, **options)``: the plugin of this name, to be made with these options.

    Those of the table that ``--iris-config`` and ``--iris-table`` name, as ``iris plugin check --table``
    does, go before. What was made is closed at the end of the test.
    """
    whose, given = _given(request.config)
    handed_out: list[Installed] = []

    def find(name: str, *, kind: Kind | None = None, **options: Any) -> Installed:
        table = {key: str(value) if isinstance(value, Path) else value for key, value in options.items()}
        table |= given if whose == name else {}
        handed_out.append(Installed(name, table, kind, tmp_path / "directory"))
        return handed_out[-1]

    yield find
    for one in handed_out:
        one.close()


def _given(config: pytest.Config) -> tuple[str, Mapping[str, Any]]:
    """The table of the command line: whose it is, and its options."""
    path = config.getoption("--iris-table", default=None)
    if not path:
        return "", {}
    table = load_config(config.getoption("--iris-config", default=None)).plugin_tables()[path]
    return table.kind, table.options
