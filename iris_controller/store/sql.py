"""SqlStore: rows in a database, one transaction a batch, on disk before a submit is acknowledged."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Final

from sqlalchemy import Connection, Table, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from iris_controller.rows import Attempt, Job, Row, Task
from iris_controller.state import KINDS, Changes
from iris_controller.store.backend import Backend
from iris_controller.store.base import Store
from iris_controller.store.loading import load_rows
from iris_controller.store.session import Session
from iris_controller.store.tables import TABLES, key_of, record, spec_record, specs

__all__ = ["SqlStore"]

_ONE_ROW: Final = re.compile(r"VALUES (\([?, ]+\))")
_SIZES: Final = (256, 64, 16, 4, 1)  # rows of a statement


class SqlStore(Store):
    """Whoever makes one holds the lock of the state directory."""

    def __init__(self, backend: Backend) -> None:
        """Raises PlatformError naming who has the state, if somebody else has."""
        self._backend = backend
        self._session = Session(backend)
        self.check_every, self.tend_every = backend.check_every, backend.tend_every
        self._stored_specs: dict[str, int] = {}  # job -> order: a job may replace one of its id
        self._unsettled = Changes()
        self._statements: dict[Any, _Compiled] = {}

    def load(self) -> Sequence[Row]:
        with self._session.reading() as connection:
            _finish_deletions(connection)
            rows = load_rows(connection)
        self._stored_specs = {row.id: row.order for row in rows if isinstance(row, Job)}
        return rows

    def commit(self, changes: Changes) -> None:
        self._unsettled = changes
        jobs = self._jobs_with_new_specs(changes)
        with self._session.transaction() as connection:
            self._delete(connection, changes)
            self._execute(connection, _upsert_statement, specs, [spec_record(job) for job in jobs])
            for kind in KINDS:
                rows = [record(row) for row in changes.rows if type(row) is kind]
                self._execute(connection, _upsert_statement, TABLES[kind], rows)
        self._note_specs(changes)

    def settle(self) -> bool:
        stored = self._session.settle()
        if stored:
            self._note_specs(self._unsettled)
        return stored

    def check(self) -> None:
        self._unsettled = Changes()
        self._session.check()

    def note(self, address: str) -> None:
        self._session.note(address)

    def tend(self) -> None:
        self._backend.tend()

    def interrupt(self) -> None:
        self._backend.interrupt()

    def close(self) -> None:
        self._session.close()

    def _delete(self, connection: Connection, changes: Changes) -> None:
        for kind in KINDS:
            gone = [{"gone": key_of(row)} for row in changes.deleted if type(row) is kind]
            for table in (TABLES[kind], specs) if kind is Job else (TABLES[kind],):
                self._execute(connection, _delete_statement, table, gone)

    def _execute(
        self,
        connection: Connection,
        make: Callable[[str, Table], Any],
        table: Table,
        rows: Sequence[dict[str, Any]],
    ) -> None:
        if not rows:
            return
        known = self._statements.get((make, table))
        if known is None:
            statement = make(connection.dialect.name, table)
            known = self._statements[make, table] = _Compiled(connection, statement)
        known.execute(connection, rows)

    def _jobs_with_new_specs(self, changes: Changes) -> list[Job]:
        jobs = (row for row in changes.rows if isinstance(row, Job))
        return [job for job in jobs if self._stored_specs.get(job.id) != job.order]

    def _note_specs(self, changes: Changes) -> None:
        for gone in changes.deleted:
            self._stored_specs.pop(gone.key, None)
        self._stored_specs.update((job.id, job.order) for job in changes.rows if isinstance(job, Job))


def _finish_deletions(connection: Connection) -> None:
    """A large job goes before its tasks; a controller that died meanwhile has left some of these."""
    jobs, tasks, attempts = (TABLES[kind] for kind in (Job, Task, Attempt))
    connection.execute(tasks.delete().where(tasks.c.job.not_in(select(jobs.c.id))))
    connection.execute(attempts.delete().where(attempts.c.task.not_in(select(tasks.c.id))))


class _Compiled:
    """A statement on many rows of a table, compiled once. The driver gets the values as they are: to process
    each takes SQLAlchemy as long as the database takes to write it."""

    def __init__(self, connection: Connection, statement: Any) -> None:
        compiled = statement.compile(dialect=connection.dialect)
        self._text = str(compiled)
        names = compiled.positiontup  # None where the driver takes values by name
        self._values = _getter(names) if names else None
        self._is_insert = _ONE_ROW.search(self._text) is not None
        self._texts: dict[int, str] = {}

    def execute(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
        if self._values is None:
            connection.exec_driver_sql(self._text, list(rows))
            return
        left = [self._values(row) for row in rows]
        if not self._is_insert:
            connection.exec_driver_sql(self._text, left)
            return
        for size in _SIZES:
            while len(left) >= size:
                connection.exec_driver_sql(self._of(size), tuple(chain.from_iterable(left[:size])))
                del left[:size]

    def _of(self, size: int) -> str:
        """For so many rows at once: a driver that lets go of the interpreter for each row has to wait for
        it as often, while the event loop works."""
        if size not in self._texts:
            self._texts[size] = _ONE_ROW.sub(lambda one: f"VALUES {', '.join([one[1]] * size)}", self._text)
        return self._texts[size]


def _getter(names: Sequence[str]) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    """An itemgetter of one name would give no tuple."""
    return operator.itemgetter(*names) if len(names) > 1 else lambda row: (row[names[0]],)


def _upsert_statement(dialect: str, table: Table) -> Any:
    keys = [column.name for column in table.primary_key]
    insert: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[dialect]
    statement = insert(table)
    changed = {column.name: statement.excluded[column.name] for column in table.c if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)


def _delete_statement(_dialect: str, table: Table) -> Any:
    return table.delete().where(next(iter(table.primary_key)) == bindparam("gone"))
