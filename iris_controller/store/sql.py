"""SqlStore: rows in SQLite (WAL), one transaction a batch, on disk before a submit is acknowledged."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, create_engine, event, select
from sqlalchemy.dialects.sqlite import Insert, insert
from sqlalchemy.exc import SQLAlchemyError

from iris_api.errors import PlatformError
from iris_controller.rows import Demand, Job, Row
from iris_controller.state import KINDS, Changes
from iris_controller.store.base import Store
from iris_controller.store.migrations import prepare
from iris_controller.store.tables import TABLES, read, read_spec, record, spec_record, specs

__all__ = ["SqlStore"]


class SqlStore(Store):
    """Whoever makes one holds the lock of the directory that `path` is in."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stored_specs: dict[str, int] = {}  # job -> order: a job may replace one of its id
        self._engine = create_engine(f"sqlite:///{path}", connect_args={"check_same_thread": False})
        event.listen(self._engine, "connect", _configure)
        event.listen(self._engine, "begin", _begin)
        try:
            with self._engine.begin() as connection:
                prepare(connection, path)
        except BaseException:
            self._engine.dispose()
            raise

    def load(self) -> Sequence[Row]:
        with self._engine.connect() as connection:
            found = {job: read_spec(spec) for job, spec in connection.execute(select(specs))}
            rows: list[Row] = []
            demands: dict[str, Demand] = {}
            for kind in KINDS:  # jobs come first
                selected = connection.execute(_ordered(TABLES[kind])).mappings()
                rows += [read(kind, dict(row), found, demands) for row in selected]
                demands = demands or {row.id: Demand.of(row) for row in rows if isinstance(row, Job)}
        self._stored_specs = {row.id: row.order for row in rows if isinstance(row, Job)}
        return rows

    def commit(self, changes: Changes) -> None:
        """Raises PlatformError."""
        changed = (row for row in changes.rows if isinstance(row, Job))
        jobs = [job for job in changed if self._stored_specs.get(job.id) != job.order]
        try:
            with self._engine.begin() as connection:
                _delete(connection, changes)
                _upsert(connection, specs, [spec_record(job) for job in jobs])
                for kind in KINDS:
                    rows = [record(row) for row in changes.rows if type(row) is kind]
                    _upsert(connection, TABLES[kind], rows)
        except SQLAlchemyError as error:
            raise PlatformError(f"the state could not be stored in {self._path}: {error}") from error
        for gone in changes.deleted:
            self._stored_specs.pop(gone.key, None)
        self._stored_specs.update((job.id, job.order) for job in jobs)

    def close(self) -> None:
        self._engine.dispose()


def _configure(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver would begin no transaction for a change of the schema
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _ordered(table: Table) -> Any:
    order = {"jobs": "order", "tasks": "order", "attempts": "assigned"}.get(table.name)
    return select(table).order_by(table.c[order]) if order else select(table)


def _upsert(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    connection.execute(_upsert_statement(table), rows)


@functools.cache
def _upsert_statement(table: Table) -> Insert:
    keys = [column.name for column in table.primary_key]
    statement = insert(table)
    changed = {column.name: statement.excluded[column.name] for column in table.c if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)


def _delete(connection: Connection, changes: Changes) -> None:
    for kind in KINDS:
        gone = [row.key for row in changes.deleted if type(row) is kind]
        _delete_keys(connection, TABLES[kind], gone)
        if kind is Job:
            _delete_keys(connection, specs, gone)


def _delete_keys(connection: Connection, table: Table, keys: Iterable[str]) -> None:
    column = next(iter(table.primary_key))
    for key in keys:
        connection.execute(table.delete().where(column == key))
