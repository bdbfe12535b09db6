"""Files that earlier versions made: all that is in them is there, and the controller goes on with it."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from iris_api.errors import PlatformError
from iris_api.rpc import cluster_pb2 as pb
from iris_controller.clock import Now
from iris_controller.rows import Attempt, Job, Task, Worker
from iris_controller.state import KINDS, State
from iris_controller.store.migrations import SCHEMA
from iris_controller.store.sql import SqlStore
from iris_controller.store.sqlite import Sqlite
from iris_controller.store.tables import TABLES, record
from tests.controller.client import Agent
from tests.controller.conftest import Start

FILES = Path(__file__).parent / "files"
EARLIER = range(1, SCHEMA)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "iris.sqlite"


@pytest.fixture(params=EARLIER)
def earlier(request: pytest.FixtureRequest, path: Path) -> Path:
    """A state file that an earlier version made."""
    shutil.copy(FILES / f"schema_{request.param}.sqlite", path)
    return path


def load(path: Path) -> State:
    store = SqlStore(Sqlite(path))
    state = State(store.load())
    store.close()
    return state


def raw(path: Path, table: str) -> dict[Any, dict[str, Any]]:
    """The rows of a table by their keys, as SQLite has them."""
    with sqlite3.connect(path) as connection:
        connection.row_factory = sqlite3.Row
        found = connection.execute(f"SELECT * FROM {table}").fetchall()  # the name is of our own tables
    connection.close()
    return {row[0]: dict(row) for row in found}


def test_there_is_a_file_of_every_earlier_schema() -> None:
    assert {path.name for path in FILES.iterdir()} == {f"schema_{n}.sqlite" for n in EARLIER}


@pytest.mark.parametrize("kind", KINDS)
def test_every_column_of_every_row_is_there(earlier: Path, kind: type[Any]) -> None:
    before = raw(earlier, TABLES[kind].name)
    state = load(earlier)
    now = {row.key: record(row) for row in state.rows(kind)}
    assert before
    assert before.keys() == now.keys()
    for key, columns in before.items():
        assert {name: now[key][name] for name in columns} == columns


def test_what_the_earlier_version_did_not_know_has_its_default(earlier: Path) -> None:
    state = load(earlier)
    assert {job.user for job in state.rows(Job)} == {""}
    assert {attempt.after for attempt in state.rows(Attempt)} == {()}


def test_a_migrated_file_is_as_one_made_anew(earlier: Path, tmp_path: Path) -> None:
    def columns(path: Path) -> dict[str, set[Any]]:
        with sqlite3.connect(path) as connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            found = {
                name: set(
                    connection.execute(f"SELECT name, \"notnull\", pk FROM pragma_table_info('{name}')")
                )
                for (name,) in tables
            }
        connection.close()
        return found

    load(earlier)
    load(tmp_path / "new.sqlite")
    assert columns(earlier) == columns(tmp_path / "new.sqlite")


def test_it_is_migrated_once(earlier: Path) -> None:
    first = list(load(earlier).everything())
    assert list(raw(earlier, "schema_version")) == [SCHEMA]
    assert list(load(earlier).everything()) == first


def test_the_jobs_of_an_earlier_version_go_on(earlier: Path, start: Start) -> None:
    made = load(earlier)
    (job,) = (job for job in made.rows(Job) if job.spec.name == "goes-on")
    (uid,) = made.get(Task, f"{job.id}:0").attempts
    wall = job.submitted + 1
    client = start(earlier.parent, clock=lambda: Now(1.0, wall))
    agent = Agent(client, "w-1", made.get(Worker, "w-1").incarnation)
    agent.sequence = 10_000
    agent.has[uid] = pb.ObservedAttempt(uid=uid, state="RUNNING", started=1.0)
    assert uid in agent.pull(hold_ms=0)
    agent.end(uid)
    assert client.job(job.id).state == "SUCCEEDED"
    assert client.job(client.submit()).state in ("PENDING", "RUNNING")


@pytest.mark.parametrize("version", [0, SCHEMA + 1])
def test_a_schema_of_another_version_is_refused(path: Path, version: int) -> None:
    load(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE schema_version SET version = ?", (version,))
    connection.close()
    with pytest.raises(
        PlatformError, match=f"has schema {version}, this version of Iris reads schema {SCHEMA}"
    ):
        SqlStore(Sqlite(path))


KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from sqlalchemy import Engine, event
from iris_controller.store.sql import SqlStore
from iris_controller.store.sqlite import Sqlite

def migrate(path, left):
    def moment(*_):
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
        event.listen(Engine, name, moment)
    SqlStore(Sqlite(path)).close()
    os._exit(0)

for moment in range(1, 1000):
    path = Path(sys.argv[2]) / f"{moment}.sqlite"
    shutil.copy(sys.argv[1], path)
    child = os.fork()
    if not child:
        migrate(path, moment)
    if os.waitpid(child, 0)[1] == 0:
        break
"""


def test_a_migration_that_is_killed_leaves_the_old_schema_or_the_new(earlier: Path, tmp_path: Path) -> None:
    """Killed before and after each statement in turn, until one migration gets to its end."""
    before = {kind: raw(earlier, TABLES[kind].name) for kind in KINDS}
    copies = tmp_path / "copies"
    copies.mkdir()
    subprocess.run([sys.executable, "-c", KILLED, str(earlier), str(copies)], check=True)
    seen = []
    for moment in range(1, len(list(copies.glob("*.sqlite"))) + 1):
        path = copies / f"{moment}.sqlite"
        (version,) = raw(path, "schema_version")
        seen.append(version)
        if version != SCHEMA:
            assert {kind: raw(path, TABLES[kind].name) for kind in KINDS} == before
        assert len(list(load(path).everything())) == sum(map(len, before.values()))
    assert len(seen) > 10
    assert set(seen) == {seen[0], SCHEMA}
    assert seen[0] != SCHEMA
