"""What only a database beyond a network can do to a controller."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from iris_api.errors import PlatformError, Refused
from iris_api.testing import wait_for_condition
from iris_api.threads import ThreadRegistry
from iris_controller.rows import Endpoint
from iris_controller.state import Changes
from iris_controller.store import StateLost
from iris_controller.store.opening import open_store
from iris_controller.store.postgres import Postgres
from iris_controller.store.sql import SqlStore
from tests.controller.client import Agent, Client
from tests.controller.conftest import Start
from tests.store.postgres import PostgresServer
from tests.store.relay import Cut, Relay


def put(uid: str) -> Changes:
    return Changes(rows=(Endpoint(uid=uid, name="/x", address="http://h:1"),))


def uids(rows: object) -> list[str]:
    return sorted(row.uid for row in rows if isinstance(row, Endpoint))  # type: ignore[attr-defined]


@pytest.fixture
def relay(postgres: PostgresServer, thread_registry: ThreadRegistry) -> Relay:
    return Relay(postgres.port, thread_registry.container)


@pytest.fixture
def name(postgres: PostgresServer) -> str:
    return postgres.create_database()


@pytest.fixture
def store(postgres: PostgresServer, relay: Relay, name: str) -> Iterator[SqlStore]:
    """Through the relay."""
    store = SqlStore(Postgres(postgres.url(name, relay.port)))
    yield store
    store.close()


def stored(postgres: PostgresServer, name: str, table: str = "endpoints") -> list[object]:
    return [row[0] for row in postgres.run(name, f"SELECT * FROM {table} ORDER BY 1")]


@pytest.mark.parametrize("how", Cut)
def test_a_commit_whose_answer_is_lost_is_settled(
    store: SqlStore, relay: Relay, postgres: PostgresServer, name: str, how: Cut
) -> None:
    store.commit(put("a"))
    relay.arm(b"COMMIT", how)
    with pytest.raises(PlatformError, match="the state could not be stored in postgresql://"):
        store.commit(put("b"))
    landed = how is not Cut.BEFORE
    assert wait_for_settled(store) is landed
    assert stored(postgres, name) == (["a", "b"] if landed else ["a"])
    store.commit(put("c"))
    assert stored(postgres, name) == (["a", "b", "c"] if landed else ["a", "c"])


def wait_for_settled(store: SqlStore) -> bool:
    """As the loop does: try until it can be told."""
    found: list[bool] = []

    def settled() -> bool:
        try:
            found.append(store.settle())
        except StateLost:
            raise
        except PlatformError:
            return False
        return True

    wait_for_condition(settled)
    return found[0]


def test_a_connection_lost_before_the_commit_stores_nothing(
    store: SqlStore, relay: Relay, postgres: PostgresServer, name: str
) -> None:
    relay.arm(b"endpoints", Cut.AFTER)
    with pytest.raises(PlatformError):
        store.commit(put("a"))
    assert wait_for_settled(store) is False
    assert stored(postgres, name) == []


@pytest.mark.parametrize("how", Cut)
def test_a_submit_whose_commit_is_in_doubt_makes_one_job(
    start: Start, relay: Relay, postgres: PostgresServer, name: str, tmp_path: Path, how: Cut
) -> None:
    """The client is refused, asks again with its request id, and memory has what the database has."""
    client = start(tmp_path, database=postgres.url(name, relay.port))
    relay.arm(b"COMMIT", how)
    with pytest.raises(Refused) as refused:
        client.submit("r", request_id="r")
    assert refused.value.code == "unavailable"
    jobs: list[str] = []
    wait_for_condition(lambda: try_submit(client, "r", jobs))
    assert stored(postgres, name, "jobs") == jobs
    assert client.job(jobs[0]).state == "PENDING"
    again = client.submit("another")
    assert sorted(stored(postgres, name, "jobs"), key=str) == sorted([*jobs, again])


def try_submit(client: Client, request_id: str, jobs: list[str]) -> bool:
    try:
        jobs.append(client.submit(request_id, request_id=request_id))
    except Refused:
        return False
    return True


def test_a_server_that_restarts_is_waited_for(
    start: Start, own_postgres: PostgresServer, tmp_path: Path
) -> None:
    name = own_postgres.create_database()
    client = start(tmp_path, database=own_postgres.url(name))
    first = client.submit("one", request_id="one")
    own_postgres.stop()
    with pytest.raises(Refused, match="not done: PlatformError: the state") as refused:
        client.submit("two", request_id="two")
    assert refused.value.code == "unavailable"
    assert client.http("GET", "/health")[0] == 503
    assert client.job(first).state == "PENDING"  # what is known is what is stored
    own_postgres.start()
    jobs: list[str] = []
    wait_for_condition(lambda: try_submit(client, "two", jobs), timeout=20)
    assert client.http("GET", "/health")[0] == 200
    assert stored(own_postgres, name, "jobs") == sorted([first, *jobs])


def test_a_server_that_stands_still_is_given_up(own_postgres: PostgresServer) -> None:
    """As the loop does it after a while."""
    store = SqlStore(Postgres(own_postgres.url(own_postgres.create_database())))
    store.commit(put("a"))
    own_postgres.freeze()
    try:
        from iris_api.threads import get_thread_registry

        executor = get_thread_registry().container.spawn_executor(1, "store")
        commit = executor.submit(store.commit, put("b"))
        wait_for_condition(lambda: store._unsettled == put("b"))
        store.interrupt()
        with pytest.raises(PlatformError, match="could not be stored"):
            commit.result(10)
    finally:
        own_postgres.thaw()
    assert wait_for_settled(store) is False
    assert uids(store.load()) == ["a"]
    store.close()


def test_a_second_controller_is_refused_and_told_of_the_first(
    start: Start, postgres: PostgresServer, name: str, tmp_path: Path
) -> None:
    """Their directories are on different machines, so that only the database can tell."""
    client = start(tmp_path / "a", database=postgres.url(name))
    holder = f"another controller: process {os.getpid()} on {socket.gethostname()} at {client.address}"
    with pytest.raises(PlatformError, match=f"is in use by {holder}"):
        start(tmp_path / "b", database=postgres.url(name))
    client.stop()
    start(tmp_path / "b", database=postgres.url(name))


def test_other_schemas_of_a_database_are_other_states(postgres: PostgresServer, name: str) -> None:
    postgres.run(name, "CREATE SCHEMA other")
    one = open_store(Path(), postgres.url(name))
    other = open_store(Path(), postgres.url(name) + "?options=-csearch_path%3Dother")
    one.commit(put("a"))
    assert (uids(one.load()), uids(other.load())) == (["a"], [])
    one.close()
    other.close()


def test_a_controller_whose_state_was_taken_meanwhile_ends(
    start: Start, relay: Relay, postgres: PostgresServer, name: str, tmp_path: Path
) -> None:
    losses: list[StateLost] = []
    first = start(tmp_path / "a", database=postgres.url(name, relay.port), lost=losses.append)
    job = first.submit()
    relay.arm(b"COMMIT", Cut.BEFORE)
    relay.pause()
    with pytest.raises(Refused, match="could not be stored"):
        first.submit("another")
    second = start(tmp_path / "b", database=postgres.url(name))
    relay.resume()
    wait_for_condition(lambda: bool(losses))
    taken = f"taken over by another controller: process {os.getpid()} on {socket.gethostname()} at"
    for call in (lambda: first.submit(), lambda: first.job(job)):
        with pytest.raises(Refused, match=taken):
            call()
    assert taken in str(first.http("GET", "/health")[1])
    assert second.job(job).state == "PENDING"


def test_nobody_writes_whom_the_row_does_not_name(
    store: SqlStore, postgres: PostgresServer, name: str
) -> None:
    """The claim is checked in the very transaction, not before it."""
    postgres.run(name, "UPDATE controller SET session = 'x', pid = 7, host = 'there', address = 'http://t:1'")
    with pytest.raises(StateLost, match="taken over by another controller: process 7 on there at http://t:1"):
        store.commit(put("a"))
    with pytest.raises(StateLost, match="taken over"):
        store.check()
    assert stored(postgres, name) == []


def test_a_database_that_was_put_back_is_not_written_to(
    store: SqlStore, postgres: PostgresServer, name: str
) -> None:
    for uid in "abc":
        store.commit(put(uid))
    postgres.run(name, "UPDATE controller SET commits = 1")
    with pytest.raises(
        StateLost, match="put back to an earlier state: it has had 1 commits, this controller made 3"
    ):
        store.settle()


def test_an_idle_controller_notices_that_its_state_was_taken(
    start: Start, postgres: PostgresServer, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Postgres, "check_every", 0.05)
    losses: list[StateLost] = []
    start(tmp_path, database=postgres.url(name), lost=losses.append)
    postgres.run(name, "UPDATE controller SET session = 'x', pid = 7, host = 'there'")
    wait_for_condition(lambda: bool(losses))
    assert "taken over by another controller: process 7 on there" in str(losses[0])


def test_a_database_that_cannot_be_had_is_told(
    start: Start, postgres: PostgresServer, tmp_path: Path
) -> None:
    with pytest.raises(PlatformError, match=r'postgresql://.*/none: .*database "none" does not exist'):
        start(tmp_path, database=postgres.url("none"))


@pytest.mark.parametrize("text", ["a\0b", "a b", "a\nb"])
def test_a_worker_with_an_odd_name_harms_nobody(
    start: Start, postgres: PostgresServer, name: str, tmp_path: Path, text: str
) -> None:
    """PostgreSQL refuses NUL in a text, and with it all that is in the same transaction."""
    client = start(tmp_path, database=postgres.url(name))
    for worker in (Agent(client, text), Agent(client, "w", text)):
        with pytest.raises(Refused, match="is not allowed: one printable word"):
            worker.reconcile()
    assert client.submit("goes-on", request_id=text)


def test_a_missing_driver_is_named_with_its_extra() -> None:
    program = """
import sys
sys.modules["psycopg"] = None
from pathlib import Path
from iris_controller.store.opening import open_store
open_store(Path(), "postgresql://h/d")
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert found.returncode
    expected = "psycopg is not installed; run: pip install 'iris-cluster[postgres]'"
    assert found.stderr.strip().splitlines()[-1].endswith(expected)


def test_sqlite_needs_no_driver_of_postgresql(tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from iris_controller.store.opening import open_store
open_store(Path({str(tmp_path)!r})).close()
print("psycopg" in sys.modules)
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_a_whole_cluster_goes_on_where_it_was(
    start: Start, postgres: PostgresServer, name: str, tmp_path: Path
) -> None:
    client = start(tmp_path, database=postgres.url(name))
    job = client.submit(request_id="r")
    agent = Agent(client)
    (uid,) = agent.pull()
    client.stop()
    agent._client = client = start(tmp_path, database=postgres.url(name))
    assert client.job(job).state == "RUNNING"
    assert agent.pull(hold_ms=0) == [uid]
    agent.end(uid)
    assert client.job(job).state == "SUCCEEDED"
    assert client.submit(request_id="r") == job
