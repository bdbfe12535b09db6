"""Which store a configuration means."""

from __future__ import annotations

from pathlib import Path

from iris_controller.store.backend import Backend
from iris_controller.store.postgres import Postgres
from iris_controller.store.sql import SqlStore
from iris_controller.store.sqlite import Sqlite

__all__ = ["open_store"]


def open_store(directory: Path, database: str = "") -> SqlStore:
    """The store in `database`, a URL of PostgreSQL, or else in a file of `directory`, whose lock the
    caller holds. Raises PlatformError naming who has the state, if somebody else has."""
    backend: Backend = Postgres(database) if database else Sqlite(directory / "iris.sqlite")
    return SqlStore(backend)
