"""Logs: appended once, kept under a quota, read by a cursor over all attempts."""

from __future__ import annotations

from pathlib import Path

import pytest

from iris_api.ids import TaskId
from iris_api.rpc import cluster_pb2 as pb
from iris_api.testing import wait_for_condition
from iris_api.threads import ThreadRegistry
from iris_controller.logs import LogLine, LogStore
from tests.controller.client import Agent, Client

TASK = TaskId("root/child:0")


def lines(*data: str) -> list[LogLine]:
    return [LogLine(number, "stdout", one) for number, one in enumerate(data)]


def data_of(store: LogStore) -> list[str]:
    return [line.data for line in store.read(TASK, "u", 0, 1000)[0]]


@pytest.fixture
def store(tmp_path: Path) -> LogStore:
    return LogStore(tmp_path)


def test_a_line_is_what_it_was(store: LogStore) -> None:
    given = [LogLine(7, "stderr", "a  b \t ü"), LogLine(8, "log", ""), LogLine(9, "stdout", "#5 x")]
    assert store.append(TASK, "u", 0, given) == 3
    assert store.read(TASK, "u", 0, 10)[0] == given


def test_a_repeated_append_adds_nothing(store: LogStore) -> None:
    store.append(TASK, "u", 0, lines("a", "b"))
    assert store.append(TASK, "u", 0, lines("a", "b")) == 2
    assert store.append(TASK, "u", 1, lines("b", "c")) == 3
    assert data_of(store) == ["a", "b", "c"]


def test_missing_lines_are_visible(store: LogStore) -> None:
    store.append(TASK, "u", 0, lines("a"))
    assert store.append(TASK, "u", 5, lines("f")) == 6
    assert data_of(store) == ["a", "[iris: 4 lines are missing here]", "f"]


def test_a_newline_in_an_entry_does_not_make_two(store: LogStore) -> None:
    store.append(TASK, "u", 0, lines("a\nb"))
    assert data_of(store) == ["a\\nb"]


def test_the_count_is_known_after_a_restart(tmp_path: Path) -> None:
    LogStore(tmp_path).append(TASK, "u", 0, lines("a"))
    LogStore(tmp_path).append(TASK, "u", 3, lines("d"))
    again = LogStore(tmp_path)
    assert again.append(TASK, "u", 0, lines("a", "b", "c", "d", "e")) == 5
    assert data_of(again)[-1] == "e"


def test_a_line_that_was_not_finished_is_written_again(tmp_path: Path) -> None:
    LogStore(tmp_path).append(TASK, "u", 0, lines("a"))
    (file,) = tmp_path.rglob("u.log")
    with file.open("a") as out:
        out.write("1 stdout b-with-no-en")
    again = LogStore(tmp_path)
    assert again.read(TASK, "u", 0, 10)[2]
    assert data_of(again) == ["a"]
    again.append(TASK, "u", 1, lines("b"))
    assert data_of(again) == ["a", "b"]


def test_what_is_over_the_quota_is_dropped_behind_a_mark(tmp_path: Path) -> None:
    store = LogStore(tmp_path, quota=100)
    assert store.append(TASK, "u", 0, lines(*["x" * 20] * 9)) == 9
    assert store.append(TASK, "u", 9, lines("more")) == 10
    kept = data_of(store)
    assert kept[:-1] == ["x" * 20] * 3
    assert kept[-1] == "[iris: output over 100 bytes an attempt is dropped]"
    again = LogStore(tmp_path, quota=100)
    again.append(TASK, "u", 10, lines("more"))
    assert data_of(again) == kept


def test_a_read_goes_on_where_the_last_ended(store: LogStore) -> None:
    store.append(TASK, "u", 0, lines("a", "b", "c"))
    first, offset, at_end = store.read(TASK, "u", 0, 2)
    assert ([line.data for line in first], at_end) == (["a", "b"], False)
    rest, _, at_end = store.read(TASK, "u", offset, 2)
    assert ([line.data for line in rest], at_end) == (["c"], True)


def test_a_line_longer_than_a_read_is_whole(store: LogStore) -> None:
    long = "x" * (3 * 2**20)
    store.append(TASK, "u", 0, lines(long, "b"))
    first, offset, _ = store.read(TASK, "u", 0, 10)
    assert [line.data for line in first] == [long]
    assert [line.data for line in store.read(TASK, "u", offset, 10)[0]] == ["b"]


def test_logs_of_a_forgotten_root_are_removed(store: LogStore, tmp_path: Path) -> None:
    store.append(TASK, "u", 0, lines("a"))
    store.discard("root")
    assert not list(tmp_path.iterdir())


def fetch(client: Client, job: str, **request: object) -> tuple[list[str], str, bool]:
    reply = client.call("Controller/FetchLogs", pb.FetchLogsRequest(task_id=f"{job}:0", **request))  # type: ignore[arg-type]
    return [one.data for one in reply.entries], reply.cursor, reply.ended


def test_all_attempts_are_read_in_order(client: Client) -> None:
    agent = Agent(client)
    job = client.submit(spec={"max_retries_failure": 1})
    (first,) = agent.pull()
    agent.log(first, "a1", "a2")
    entries, cursor, ended = fetch(client, job)
    assert (entries, ended) == (["a1", "a2"], False)
    agent.end(first, code=1)
    (second,) = agent.pull()
    agent.log(second, "b1")
    agent.end(second)
    assert fetch(client, job)[0] == ["a1", "a2", "b1"]
    entries, _, ended = fetch(client, job, cursor=cursor)
    assert (entries, ended) == (["b1"], True)
    assert fetch(client, job, attempt_uid=first)[::2] == (["a1", "a2"], True)


def test_small_pages_bring_everything(client: Client) -> None:
    agent = Agent(client)
    job = client.submit()
    (uid,) = agent.pull()
    agent.log(uid, *map(str, range(10)))
    agent.end(uid)
    found, cursor, ended = [], "", False
    while not ended:
        entries, cursor, ended = fetch(client, job, cursor=cursor, limit=3)
        found += entries
    assert found == list(map(str, range(10)))


def test_a_held_read_is_answered_by_the_next_line(client: Client, thread_registry: ThreadRegistry) -> None:
    agent = Agent(client)
    job = client.submit()
    (uid,) = agent.pull()
    found: list[str] = []
    thread_registry.container.spawn(
        lambda _stop: found.extend(fetch(client, job, hold_ms=10_000)[0]), "fetch"
    )
    wait_for_condition(lambda: client.controller._polls.holds("logs"))
    agent.log(uid, "now")
    wait_for_condition(lambda: found == ["now"])


def test_a_held_read_is_answered_by_the_end(client: Client, thread_registry: ThreadRegistry) -> None:
    agent = Agent(client)
    job = client.submit()
    (uid,) = agent.pull()
    found: list[bool] = []
    thread_registry.container.spawn(
        lambda _stop: found.append(fetch(client, job, hold_ms=10_000)[2]), "fetch"
    )
    wait_for_condition(lambda: client.controller._polls.holds("logs"))
    agent.end(uid)
    wait_for_condition(lambda: found == [True])


def test_logs_of_an_unknown_attempt_are_taken_and_dropped(client: Client) -> None:
    request = pb.AppendLogsRequest(attempt_uid="../../x", task_id="x:0", entries=[pb.LogEntry(data="a")])
    assert client.call("Workers/AppendLogs", request).next == 1
