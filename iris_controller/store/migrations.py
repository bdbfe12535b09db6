"""How a database of an earlier schema becomes one of this version's: in one transaction or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, inspect, select

from iris_api.errors import PlatformError
from iris_controller.store.tables import metadata, schema_table

__all__ = ["SCHEMA", "prepare"]

# What leads from a schema to the next one, in words that SQLite and PostgreSQL both understand. A step
# never changes once it was released: it must fit the files that are there.
_STEPS: Final[Mapping[int, tuple[str, ...]]] = {
    1: (
        """ALTER TABLE jobs ADD COLUMN "user" VARCHAR DEFAULT '' NOT NULL""",
        """ALTER TABLE attempts ADD COLUMN "after" VARCHAR DEFAULT '' NOT NULL""",
        "CREATE TABLE controller (id INTEGER NOT NULL PRIMARY KEY, session VARCHAR NOT NULL,"
        " host VARCHAR NOT NULL, pid INTEGER NOT NULL, address VARCHAR NOT NULL, commits BIGINT NOT NULL)",
        "INSERT INTO controller (id, session, host, pid, address, commits) VALUES (1, '', '', 0, '', 0)",
    ),
}
SCHEMA: Final = max(_STEPS) + 1


def prepare(connection: Connection, where: object) -> None:
    """Bring the database to this version's schema, within the caller's transaction. Raises PlatformError
    for one that a later version wrote, and for one that is not ours."""
    if not inspect(connection).has_table(schema_table.name):
        _create(connection)
        return
    version = connection.execute(select(schema_table.c.version)).scalar()
    if version is None or not 1 <= version <= SCHEMA:
        raise PlatformError(
            f"{where} has schema {version}, this version of Iris reads schema {SCHEMA}: "
            "start it with the version that wrote it, or with another state directory"
        )
    for step in range(version, SCHEMA):
        for statement in _STEPS[step]:
            connection.exec_driver_sql(statement)
    if version != SCHEMA:
        connection.execute(schema_table.update().values(version=SCHEMA))


def _create(connection: Connection) -> None:
    metadata.create_all(connection)
    connection.execute(schema_table.insert().values(version=SCHEMA))
    first = {"id": 1, "session": "", "host": "", "pid": 0, "address": "", "commits": 0}
    connection.execute(metadata.tables["controller"].insert().values(first))
