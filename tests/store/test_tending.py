"""Checkpoints are made beside the commits, so that none has to wait for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from iris_api.errors import PlatformError
from iris_api.testing import wait_for_condition
from iris_controller.rows import Endpoint
from iris_controller.state import Changes
from iris_controller.store.sql import SqlStore
from iris_controller.store.sqlite import Sqlite
from tests.controller.conftest import Start

MB = 2**20


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    store = SqlStore(Sqlite(tmp_path / "iris.sqlite"))
    yield store
    store.close()


def fill(store: SqlStore, megabytes: int, name: str = "e") -> None:
    """Commit about so much, a quarter of a megabyte at a time."""
    for number in range(megabytes * 4):
        rows = (Endpoint(uid=f"{name}-{number}-{n}", name="/x", address="h" * 2048) for n in range(128))
        store.commit(Changes(rows=tuple(rows)))


def size(directory: Path, name: str) -> float:
    return (directory / name).stat().st_size / MB


def test_a_checkpoint_moves_the_log_into_the_database(store: SqlStore, tmp_path: Path) -> None:
    fill(store, 8)
    before = size(tmp_path, "iris.sqlite")
    store.tend()
    assert size(tmp_path, "iris.sqlite") > before + 7
    log = size(tmp_path, "iris.sqlite-wal")
    fill(store, 2, "later")
    assert size(tmp_path, "iris.sqlite-wal") == log  # begun anew, and not made longer


def test_a_checkpoint_does_not_wait_for_a_transaction(store: SqlStore, tmp_path: Path) -> None:
    fill(store, 4)
    before = size(tmp_path, "iris.sqlite")
    with store._session.transaction():
        store.tend()
    assert size(tmp_path, "iris.sqlite") > before + 3
    assert len(store.load()) == 4 * 4 * 128


def test_a_short_log_is_left_alone(store: SqlStore, tmp_path: Path) -> None:
    store.commit(Changes(rows=(Endpoint(uid="one", name="/x", address="http://h:1"),)))
    before = size(tmp_path, "iris.sqlite")
    store.tend()
    assert size(tmp_path, "iris.sqlite") == before


def test_a_checkpoint_that_cannot_be_made_names_the_file(store: SqlStore, tmp_path: Path) -> None:
    fill(store, 4)
    (tmp_path / "iris.sqlite").rename(tmp_path / "away")
    (tmp_path / "iris.sqlite").mkdir()
    with pytest.raises(PlatformError, match=r"no checkpoint of .*iris\.sqlite could be made"):
        store.tend()
    (tmp_path / "iris.sqlite").rmdir()
    (tmp_path / "away").rename(tmp_path / "iris.sqlite")


def test_a_controller_tends_its_store(start: Start, tmp_path: Path) -> None:
    store = SqlStore(Sqlite(tmp_path / "iris.sqlite"))
    start(tmp_path, store=store)
    fill(store, 4)
    wait_for_condition(lambda: size(tmp_path, "iris.sqlite") > 3)
