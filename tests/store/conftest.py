"""Stores to test: on a SQLite file, and on a PostgreSQL server of our own."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from iris_controller.store.opening import open_store
from iris_controller.store.sql import SqlStore
from tests.controller.conftest import start
from tests.store.postgres import PostgresServer, binaries

__all__ = ["start"]

OpenStore = Callable[[], SqlStore]
Execute = Callable[[str], list[Any]]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server that is up for all tests."""
    yield from _server()


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A server that a test may stop."""
    yield from _server()


def _server() -> Iterator[PostgresServer]:
    found = binaries()
    if found is None:
        pytest.skip("no PostgreSQL server is installed (apt-get install postgresql)")
    with tempfile.TemporaryDirectory(prefix="iris-postgres-") as directory:
        server = PostgresServer(Path(directory), found)
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest) -> PostgresServer | None:
    """None where there is none to be: each test is run on both."""
    return None if request.param == "sqlite" else request.getfixturevalue("postgres")


@pytest.fixture
def database(server: PostgresServer | None) -> str:
    """What `controller.state.database` says."""
    return "" if server is None else server.url(server.create_database())


@pytest.fixture
def open_one(tmp_path: Path, database: str) -> Iterator[OpenStore]:
    """Opens the state of the test, each time anew; what is open at the end is closed."""
    stores: list[SqlStore] = []

    def begin() -> SqlStore:
        stores.append(open_store(tmp_path, database))
        return stores[-1]

    yield begin
    for store in stores:
        store.close()


@pytest.fixture
def store(open_one: OpenStore) -> SqlStore:
    return open_one()


@pytest.fixture
def execute(tmp_path: Path, database: str) -> Execute:
    """Runs a statement behind the store's back; returns the rows that it finds."""

    def run(statement: str) -> list[Any]:
        if database:
            with psycopg.connect(database, autocommit=True) as connection:
                found = connection.execute(statement.encode())
                return found.fetchall() if found.description else []
        with contextlib.closing(sqlite3.connect(tmp_path / "iris.sqlite", isolation_level=None)) as file:
            return file.execute(statement).fetchall()

    return run
