"""Stores: what is committed is there after a restart, all of it or nothing."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from attrs import evolve

from iris_api.errors import PlatformError
from iris_api.jobs import JobState
from iris_controller.clock import Now
from iris_controller.clock_mark import moved_since_mark
from iris_controller.restore import restore
from iris_controller.rows import Attempt, Endpoint, Job, Task, Worker
from iris_controller.state import Changes, State
from iris_controller.store.lock import StateLock
from iris_controller.store.sql import SqlStore
from tests.controller.kit import Cluster
from tests.store.conftest import Execute, OpenStore
from tests.store.make_file import eventful


def rows_of(state: State) -> dict[tuple[type, str], object]:
    return {(type(row), row.key): row for row in state.everything()}


def test_what_is_committed_is_loaded(open_one: OpenStore) -> None:
    cluster, store = eventful(), open_one()
    for changes in cluster.changes:
        store.commit(changes)
    store.close()
    loaded = State(open_one().load())
    assert rows_of(loaded) == rows_of(cluster.state)
    assert [job.id for job in loaded.newest()] == [job.id for job in cluster.state.newest()]
    assert loaded.last_order == cluster.state.last_order


def test_loaded_rows_have_the_indexes_of_the_live_ones(store: SqlStore) -> None:
    cluster = eventful()
    for changes in cluster.changes:
        store.commit(changes)
    loaded = State(store.load())
    assert loaded.used("w-1") == cluster.state.used("w-1")


def test_a_job_that_replaces_one_of_its_id_has_its_own_spec(store: SqlStore) -> None:
    cluster = Cluster()
    cluster.join()
    parent = cluster.submit("parent")
    cluster.settle()
    cluster.child(f"{parent}:0", replicas=3)
    cluster.terminate(f"{parent}/child")
    cluster.settle()
    cluster.child(f"{parent}:0", replicas=2, existing="recreate")
    for changes in cluster.changes:
        store.commit(changes)
    loaded = State(store.load())
    assert loaded.get(Job, f"{parent}/child").spec.replicas == 2
    assert rows_of(loaded) == rows_of(cluster.state)


def test_a_commit_that_fails_stores_nothing(store: SqlStore, execute: Execute) -> None:
    cluster = Cluster()
    job = cluster.job(cluster.submit("a"))
    task = cluster.task(f"{job.id}:0")
    execute("ALTER TABLE tasks RENAME TO gone")
    with pytest.raises(PlatformError, match="could not be stored"):
        store.commit(Changes(rows=(job, task)))
    assert execute("SELECT count(*) FROM jobs") == [(0,)]
    execute("ALTER TABLE gone RENAME TO tasks")
    assert store.settle() is False
    store.commit(Changes(rows=(job, task)))
    assert [row.key for row in store.load()] == [job.id, task.id]


def test_what_is_deleted_is_gone(open_one: OpenStore) -> None:
    store = open_one()
    cluster = eventful()
    for changes in cluster.changes:
        store.commit(changes)
    store.commit(Changes(deleted=tuple(cluster.state.everything())))
    store.close()
    assert list(open_one().load()) == []


def test_a_spec_is_stored_anew_for_a_job_that_comes_after_its_deletion(open_one: OpenStore) -> None:
    store, job = open_one(), next(row for row in eventful().state.everything() if isinstance(row, Job))
    for changes in (Changes(rows=(job,)), Changes(deleted=(job,)), Changes(rows=(job,))):
        store.commit(changes)
    store.close()
    assert list(open_one().load()) == [job]


def test_every_character_can_be_stored(store: SqlStore) -> None:
    """But NUL, which PostgreSQL has no text for."""
    made = Endpoint(uid="e\0", name="/ü 💥 \\ '\"%(x)s :y ?", address="\x01\t\n", metadata={"a\0": "b\0"})
    store.commit(Changes(rows=(made,)))
    (loaded,) = store.load()
    assert loaded == evolve(made, uid="e\N{SYMBOL FOR NULL}")
    store.commit(Changes(deleted=(made,)))
    assert store.load() == []


def test_who_submitted_and_what_makes_room_are_kept(store: SqlStore) -> None:
    cluster = Cluster()
    cluster.join()
    job = evolve(cluster.job(cluster.submit()), user="me")
    attempt = evolve(cluster.attempt(f"{job.id}:0"), after=("u-1", "u-2"))
    store.commit(Changes(rows=(job, cluster.task(f"{job.id}:0"), attempt)))
    loaded = State(store.load())
    assert (loaded.get(Job, job.id), loaded.get(Attempt, attempt.uid)) == (job, attempt)


def test_a_locked_state_names_its_holder(tmp_path: Path) -> None:
    lock = StateLock(tmp_path)
    lock.note("http://127.0.0.1:1234")
    with pytest.raises(
        PlatformError, match=r"another controller: process \d+ on \S+ at http://127.0.0.1:1234"
    ):
        StateLock(tmp_path)
    lock.release()
    StateLock(tmp_path).release()


def test_spans_go_on_after_a_restart_and_graces_start_anew() -> None:
    cluster = eventful()
    began = cluster.clock.wall()
    restored = State(restore(cluster.state.everything(), Now(mono=5.0, wall=began + 20)))
    first, waits = (next(job for job in restored.rows(Job) if job.spec.name == n) for n in ("first", "waits"))
    assert first.deadline == pytest.approx(5.0 + 80)
    assert restored.get(Task, f"{waits.id}:0").expires == pytest.approx(5.0 + 30)
    assert restored.get(Worker, "w-1").last_seen == 5.0
    assert restored.get(Endpoint, "e-2").expires == 65.0
    assert first.state is JobState.RUNNING


@pytest.mark.parametrize(
    ("wall", "moved", "left"),
    [
        (20, 0, 80),
        (-50, 0, 100),  # set back while nobody was there
        (-50, -70, 100),
        (86_420, 86_400, 80),  # set ahead by a day
        (86_400, 86_420, 100),  # started after it was set ahead: believed to have just started
        (200, 0, -100),  # it is long over
    ],
)
def test_a_moved_clock_makes_no_span_shorter(wall: float, moved: float, left: float) -> None:
    cluster = eventful()
    began = cluster.clock.wall()
    restored = State(restore(cluster.state.everything(), Now(5.0, began + wall), moved))
    first = next(job for job in restored.rows(Job) if job.spec.name == "first")
    assert first.deadline == pytest.approx(5.0 + left)


def test_a_clock_that_is_moved_is_told_by_the_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert moved_since_mark(tmp_path) == 0.0
    assert moved_since_mark(tmp_path) == 0.0
    real = time.time
    for jump in (3600.0, -3600.0):
        monkeypatch.setattr(time, "time", lambda jump=jump: real() + jump)
        assert moved_since_mark(tmp_path) == pytest.approx(jump, abs=1.0)
    monkeypatch.setattr(time, "time", lambda: real() + 2.0)  # is being set right
    assert moved_since_mark(tmp_path) == 0.0


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"boot": "another", "ahead": 1.0}', '{"boot": 1}'])
def test_a_mark_of_another_boot_or_none_is_made_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "clock").write_text(text)
    assert moved_since_mark(tmp_path) == 0.0
    assert "boot" in (tmp_path / "clock").read_text()


def test_specs_that_differ_in_the_name_alone_stay_apart(store: SqlStore) -> None:
    cluster = Cluster()
    for name in ("a", "b", "c" * 127, "d" * 128):
        for given in ({}, {"env_vars": {"A": name}}, {"replicas": 2, "timeout": 5.0, "ports": ("web",)}):
            cluster.submit(name, existing="recreate", **given)
    for changes in cluster.changes:
        store.commit(changes)
    loaded = State(store.load())
    assert rows_of(loaded) == rows_of(cluster.state)
    assert len({hash(job.spec.name) for job in loaded.rows(Job)}) == 4
