"""SQLite: a file in WAL mode, synchronous on every commit. Who uses it holds the lock of its directory."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from iris_api.errors import PlatformError
from iris_controller.store.backend import Backend

__all__ = ["Sqlite"]

_PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "busy_timeout=5000",
    "wal_autocheckpoint=16000",  # pages, 64 MB: a commit checkpoints only where `tend` has not done so
)
_LOG: Final = 2 * 2**20  # bytes of the write-ahead log from which on it is worth a checkpoint
_FULL: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
_ROOM: Final = 2**20  # bytes: with less than that a failure to write is one for want of room


class Sqlite(Backend):
    tend_every = 0.5

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = path.with_name(f"{path.name}-wal")
        self.where = str(path)

    def engine(self) -> Engine:
        engine = create_engine(
            f"sqlite:///{self._path}",
            connect_args={"check_same_thread": False},
            poolclass=NullPool,
            hide_parameters=True,
        )
        event.listen(engine, "connect", _configure)
        event.listen(engine, "begin", _begin)
        return engine

    def tend(self) -> None:
        """A checkpoint on a connection of its own: commits go on meanwhile, and find less left to do."""
        if not self._log.exists() or self._log.stat().st_size < _LOG:
            return
        try:
            with contextlib.closing(sqlite3.connect(self._path)) as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").close()
        except sqlite3.Error as error:
            raise PlatformError(f"no checkpoint of {self.where} could be made: {error}") from error

    def sentence(self, error: SQLAlchemyError) -> str:
        found = error.orig if isinstance(error, DBAPIError) else None
        code = getattr(found, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL or (code in _FULL and self._free() < _ROOM):
            return f"the disk is full: {found}; {self._free() // 2**20} MiB are free"
        return super().sentence(error)

    def _free(self) -> int:
        return shutil.disk_usage(self._path.parent).free


def _configure(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver would begin no transaction for a change of the schema
    try:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").close()
    except sqlite3.Error:
        connection.close()  # nobody else would
        raise


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
